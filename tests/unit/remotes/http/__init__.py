"""Tests of the room remotes.http."""
