"""KEEPS TIME: schedule, signals, reload, and what the service manager is told; the only user of apscheduler."""
