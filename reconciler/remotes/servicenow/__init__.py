"""Speaks to the ServiceNow Table API."""
