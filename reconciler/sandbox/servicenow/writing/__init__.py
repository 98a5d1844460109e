"""What an instance makes of a write: who may, what rules say, and what is kept."""
