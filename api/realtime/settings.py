"""What an operator may choose about the sockets; every bound has a working default."""

import msgspec


class RealtimeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Limits and times of the real-time server; times in seconds, sizes in bytes.

    `origins` are the exact origins that browsers may call from with credentials ("*" anywhere in
    it reflects any origin and is meant for tests). An absent Origin header (not a browser) is
    always allowed; the cookie is accepted only from a listed origin. Of the newest `max_unjoined`
    sessions any number may be in no namespace yet; an older one that is in none is closed.
    `first_payload` is the biggest message of whoever has not come in, `max_payload` everybody else's.
    `max_websockets` keeps descriptors for requests and for the database.
    `max_per_user` counts the sockets of one login, however many people share it.
    """

    path: str = "/socket.io/"
    origins: tuple[str, ...] = ()
    ping_interval: float = 25.0
    ping_timeout: float = 20.0
    connect_timeout: float = 45.0
    upgrade_timeout: float = 10.0
    drain_timeout: float = 30.0
    close_linger: float = 2.0
    max_unjoined: int = 4_000
    max_websockets: int = 100_000
    max_payload: int = 1_000_000
    first_payload: int = 16_384
    max_per_user: int = 500
    sink_bytes: int = 1 << 20
    timer_step: float = 0.25
    sends_per_turn: int = 128
    recovery_seconds: float = 120.0
    recovery_bytes: int = 4 << 20
    recovery_total: int = 512 << 20
    socket_send_buffer: int | None = None
