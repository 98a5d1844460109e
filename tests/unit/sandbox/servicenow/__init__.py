"""Tests of the room sandbox.servicenow."""
