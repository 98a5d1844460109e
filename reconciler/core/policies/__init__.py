"""The config as values: routes, policies, what they need of an instance, what in them can hardly be meant."""
