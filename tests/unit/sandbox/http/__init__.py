"""Tests of the room sandbox.http."""
