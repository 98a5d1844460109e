"""The commands that take care of the database."""
