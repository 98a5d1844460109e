"""Tests of the room core.planning."""
