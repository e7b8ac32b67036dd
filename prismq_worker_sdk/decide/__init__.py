"""Pure rules: they are given `now` and `jitter`, and read no clock, no dice, no network."""
