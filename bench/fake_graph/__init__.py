"""A stand-in for Meta's Graph API in a process of its own, and a witness of what it accepted.

`python -m bench.fake_graph --witness FILE` prints `ready <port>`; see __main__.py for the flags
and behaviour.py for what it can be told to do wrong.
"""
