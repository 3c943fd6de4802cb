"""The one outbound HTTP client: time-outs, bounded retries, circuit breaker, address guard."""

import msgspec


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A call as data. `deadline` is for the whole exchange, in seconds."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    deadline: float = 20.0

    def __repr__(self) -> str:
        return f"HttpRequest({self.method} {self.url.partition('?')[0]})"


class HttpReply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that arrived whole; header names are lower case."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class HttpFailure(msgspec.Struct, frozen=True, kw_only=True):
    """No whole answer. `written`: the request, or a part of it, may have reached the far end."""

    reason: str
    written: bool
    retry_after: float = 0.0


class FetchFailed(Exception):
    """A download did not succeed; `permanent` = repeating it is useless."""

    def __init__(self, reason: str, *, permanent: bool) -> None:
        super().__init__(reason)
        self.permanent = permanent
