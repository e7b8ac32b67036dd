"""Other workers, each in an environment of its own, measured as ours is."""
