"""Tests of the room sandbox.coralogix."""
