"""The file: its connection, the tables as steps, the views and the triggers, and how values are written in it."""
