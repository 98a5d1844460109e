"""The face that a ServiceNow instance shows as its REST API."""
