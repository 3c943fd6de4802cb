"""Every bound of the edge in one place; nothing a peer does may exceed one of these."""

import msgspec


class EdgeLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one listener. Times are seconds, sizes are bytes.

    `head_timeout` runs from a request's first byte (or the connection's start) to the end of its
    head; `idle_timeout` between requests; `body_timeout` and `write_timeout` without any progress.
    `min_body_rate` (bytes per second, judged after `body_grace` seconds) ends a client that keeps
    a body alive byte by byte. Beyond `max_half_open` connections without a complete head the one
    that began first is closed, so that whoever means well still gets in.
    """

    max_connections: int = 10_000
    max_half_open: int = 2_000
    max_head: int = 32 * 1024
    max_headers: int = 100
    max_body: int = 128 * 1024 * 1024
    head_timeout: float = 10.0
    idle_timeout: float = 75.0
    body_timeout: float = 20.0
    body_grace: float = 10.0
    min_body_rate: int = 512
    write_timeout: float = 30.0
    drain_timeout: float = 10.0
    read_size: int = 64 * 1024
    backlog: int = 4096
