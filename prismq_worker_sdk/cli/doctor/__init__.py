"""`prismq-worker doctor`: checks of the settings, the plugins, the server, and this machine.

What is looked at on servers of one dialect only stands beside that dialect.
"""
