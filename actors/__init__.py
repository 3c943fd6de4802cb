"""Domain behaviour: routers, tickets, sessions, relays, hubs and their channels."""
