"""Speaks to the Coralogix Cases API, version 5."""
