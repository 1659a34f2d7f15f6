"""The signing key in a process of its own: what it signs, its socket, and the city's side of it."""
