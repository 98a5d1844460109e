"""Moving a sandbox from outside: its people, what both sides hold, its scripting face."""
