"""Pulls both sides and remembers what came."""
