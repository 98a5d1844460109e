"""Tests of the room core.expressions."""
