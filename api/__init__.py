"""Edges: REST, webhooks, sockets, console and the composition root."""
