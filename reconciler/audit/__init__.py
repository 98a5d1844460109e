"""PROVES that the database is as it was written, and complete; nothing here writes to what it reads."""
