"""Postgres: records, repositories, the commit path and its owner."""
