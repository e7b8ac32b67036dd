"""The worker: claim, hold, validate, run, commit, deliver."""
