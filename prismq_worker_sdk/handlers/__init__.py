"""The author's side: handlers, parameters, plugins."""
