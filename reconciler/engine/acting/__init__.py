"""Carries out a plan, action by action."""
