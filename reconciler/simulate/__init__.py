"""REHEARSES a config: what it would have made of Cases that happened, played on the sandbox in memory."""
