"""TELLS: what the program writes to its log."""
