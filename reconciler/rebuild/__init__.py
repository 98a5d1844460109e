"""RESTORES the links from the services when the database is gone."""
