"""Tickets: the conversations of one contact, decided by one sequential actor."""
