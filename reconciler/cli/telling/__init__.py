"""Report each cycle beside the log: metrics, and messages to people."""
