"""Tests of the room cli.telling."""
