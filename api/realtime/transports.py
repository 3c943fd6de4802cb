"""What stands on either side of a session: its transports below, its meaning above."""

from typing import Final, Protocol

import msgspec

NEVER: Final = float("inf")
MAX_TOKEN: Final = 4096
"""Characters; a longer one is nobody's."""


class Handshake(msgspec.Struct, frozen=True, gc=False):
    """What is kept of a session's first request: the token of its query, and the cookie of a login.

    Nothing else: a head may have 32 kB, and this is held for as long as the session lives.
    """

    token: str = ""
    cookie: str = ""


class Link(Protocol):
    """A websocket; its methods return at once and never raise.

    `out` holds the bytes that the next flush sends. The fan-out appends to it directly unless the
    link is `blocked` (its peer reads too slowly), when only `write` may be used.
    """

    out: list[bytes]
    blocked: bool

    def write(self, data: bytes) -> None:
        """Queue whole frames and see to it that they are sent."""

    def push(self, data: bytes) -> None:
        """Send whole frames now, or queue them behind what waits."""

    def flush(self) -> None:
        """Send what `out` holds, as far as the peer takes it."""

    def allow(self, size: int) -> None:
        """Take messages of up to `size` bytes from now on."""

    def catch_up(self) -> None:
        """Take what the peer has said by now, without waiting for its turn, and answer it."""

    def close(self, code: int, reason: str) -> None:
        """Send what is queued, then a close frame, then hang up."""


class Poll(Protocol):
    """A hanging GET."""

    def answer(self, body: bytes) -> None:
        """Finish it with 200 and this body."""


class Upper(Protocol):
    """The layer above one session."""

    def text(self, data: bytes) -> None:
        """A text message came; `PacketError` closes the session."""

    def binary(self, data: bytes) -> None:
        """A binary message came; `PacketError` closes the session."""

    def upgraded(self, link: Link) -> None:
        """From now on messages leave by this websocket."""

    def closed(self, reason: str) -> None:
        """The session ended; called exactly once."""

    @property
    def joined(self) -> bool:
        """Has the client come in, so that the session is worth keeping?"""
        ...

    def tick(self, now: float) -> float:
        """Do what is due by `now`; the next time (or `NEVER`)."""
        ...
