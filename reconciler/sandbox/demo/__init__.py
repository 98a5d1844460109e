"""The story that the demo plays, and what must be true at its end."""
