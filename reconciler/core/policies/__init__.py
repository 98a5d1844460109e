"""The config as values: routes, policies, what they need of an instance, what in them is probably a mistake."""
