"""Tests of the room store.opening."""
