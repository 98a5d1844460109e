"""Who is told of each cycle beside the log."""
