"""Doors for providers: the signature of the raw body first, 200 only after the commit."""
