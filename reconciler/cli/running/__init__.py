"""What the commands that run cycles share: a single cycle, a backfill in parts, the daemon."""
