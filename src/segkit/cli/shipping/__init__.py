"""Ship: masks for pictures, exported networks, checkpoints in and out."""
