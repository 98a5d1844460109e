"""A Coralogix team in memory, and the face that it shows as the Cases API."""
