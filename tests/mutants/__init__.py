"""Faults put in on purpose: one-line changes to the code, each with the test that has to notice."""
