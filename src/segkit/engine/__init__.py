"""What works: one wing a stage, and on top what all wings share (runs, weights, environment)."""
