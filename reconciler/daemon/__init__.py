"""KEEPS TIME. Schedule, signals, lock and notification; the only user of apscheduler."""
