"""Linear, numbered revisions."""
