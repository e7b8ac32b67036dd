"""The database of the TaskManager: its tables and their migrations, connections, transactions."""
