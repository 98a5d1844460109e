"""The commands for who has to prove something."""
