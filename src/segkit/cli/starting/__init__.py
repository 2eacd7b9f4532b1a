"""Start: the demonstration, and what works on this machine."""
