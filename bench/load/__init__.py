"""Load clients: each runs in a process of its own, so that it is not measured as the server."""
