"""Tests of the room remotes.coralogix."""
