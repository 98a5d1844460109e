"""The evidence in a browser: Datasette over the database, with words, questions, charts and the story of each Case."""
