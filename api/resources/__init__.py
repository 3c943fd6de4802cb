"""One module per noun: its endpoints, and nothing about HTTP servers."""
