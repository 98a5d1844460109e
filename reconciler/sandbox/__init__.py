"""PRETENDS to be both services: in memory behind the ports, and the same worlds over real HTTP on loopback.

A product part, not only a test aid: a config is tried against it before it meets a real tenant.
"""
