"""What the file may hold: its tables and keys, its JSON Schema, and what is told of a shape that is wrong."""
