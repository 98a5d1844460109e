"""A ServiceNow instance in memory: its tables, its rules, its people."""
