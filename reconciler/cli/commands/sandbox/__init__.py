"""The command ``sandbox``."""
