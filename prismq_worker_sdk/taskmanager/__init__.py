"""The embedded TaskManager, for development and tests (extra `taskmanager`)."""
