"""What people ask of the database, and of the process that works on it."""
