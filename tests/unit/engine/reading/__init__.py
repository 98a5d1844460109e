"""Tests of the room engine.reading."""
