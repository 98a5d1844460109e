"""What the commands share that run cycles: one, the parts of a backfill, the daemon's one after the other."""
