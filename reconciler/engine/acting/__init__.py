"""Carry out a plan, action by action."""
