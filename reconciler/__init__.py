"""Keep Coralogix Cases and ServiceNow Incidents in step, forward only, with a record of every step."""

__version__ = "0.1.0"
