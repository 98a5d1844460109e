"""What a person may write in a config about a Case: names, conditions, templates. Knows nothing of links."""
