"""Tests of the room cli.showing."""
