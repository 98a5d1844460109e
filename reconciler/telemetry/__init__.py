"""TELLS: the log, metrics, and messages to people."""
