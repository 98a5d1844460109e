"""The ways to a database file: alone, to work on it; in place, to read it; over it, to plan."""
