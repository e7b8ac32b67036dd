"""Alembic's place: how migrations are run, and each of them."""
