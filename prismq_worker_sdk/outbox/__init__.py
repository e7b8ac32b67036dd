"""Durability: the outbox holds every claim from the moment it came and every outcome until its verdict."""
