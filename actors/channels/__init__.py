"""Messaging networks behind one port: see base.py; one module or package per provider."""
