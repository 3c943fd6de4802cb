"""The actor engine and its peers, one module each: a table of works, run one per process."""
