"""The fault campaign: seeded schedules over the sandbox in memory, and what must never come of any of them."""
