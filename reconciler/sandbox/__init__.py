"""PRETENDS to be both services: worlds in memory, whose faces answer over real HTTP on loopback or in process.

A product part, not only a test aid: a config is tried against it before it meets a real tenant.
"""
