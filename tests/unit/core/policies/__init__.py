"""Tests of the room core.policies."""
