"""The life of a worker: it finds its server, takes over what is stored, is watched, stops, and closes its books."""
