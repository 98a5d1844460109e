"""The command ``check``: the file, and what ``--live`` asks both services."""
