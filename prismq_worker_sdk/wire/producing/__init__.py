"""The producer's side behind its client: what it asks for as values, and a way to do it for each dialect."""
