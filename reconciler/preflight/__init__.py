"""CHECKS a live tenant before anything is written: what ``check --live`` asks."""
