"""PROVES. What is remembered is as it was written, and complete; nothing here writes to what it looks at."""
