"""ACTS. One cycle: pull, remember, plan, check, apply, record."""
