"""REHEARSES a config: replays past Cases through it, on the sandbox in memory."""
