"""The tables of a ServiceNow instance: what they look like, what stands in them, and how they are searched."""
