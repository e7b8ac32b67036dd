"""Figures of this machine: reported, never asserted. `python -m tests.bench --help`."""
