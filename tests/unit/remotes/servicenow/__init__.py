"""Tests of the room remotes.servicenow."""
