"""Tests of the room config.shape."""
