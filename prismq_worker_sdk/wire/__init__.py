"""The wire: calls become HTTP in the server's dialect, and every answer becomes a value."""
