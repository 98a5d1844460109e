"""What the database is made of: the tables as steps, the views, and the version of both."""
