"""Handlers in child processes: the pool, the line to a child, and what runs in it."""
