"""Measure what the program costs, side by side with a naive script and the floor of requests, in one run."""
