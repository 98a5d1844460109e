"""REMEMBERS. ``store`` has the way in; nothing else in the program touches SQLite or sqlite_utils."""
