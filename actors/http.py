"""The one outbound HTTP client: time-outs, bounded retries, circuit breaker, address guard.

Two ways out. Configured origins (API bases) keep connections alive and may be anywhere, loopback
included. Everything else, and every URL that a company names, is connected to a checked public
address only, on a connection of its own, and redirects are followed by hand and checked again.
What becomes of a company's URLs opens no circuit but its own.
"""

import random
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, NoReturn

import httpx
import msgspec
import trio

from actors.addresses import BlockedUrl as BlockedUrl
from actors.addresses import Origin as Origin
from actors.addresses import Resolve, checked_address, checked_origin, resolve
from actors.addresses import origin_of as origin_of
from actors.breaker import Breaker, BreakerConfig
from actors.connections import Connections, open_connections
from actors.memory_budget import MemoryBudget
from storage.ids import CompanyId

Hook = Callable[[], None]


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A call as data. `deadline` is for the whole exchange, in seconds.

    `named_by`: the company whose own URL this is. It is guarded, even on a configured origin.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    deadline: float = 20.0
    named_by: CompanyId | None = None

    def __repr__(self) -> str:
        return f"HttpRequest({self.method} {self.url.partition('?')[0]})"


class HttpReply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that arrived whole; header names are lower case."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()

    def header(self, name: str) -> str:
        """The first value of a header, by its lower-case name; "" if absent."""
        return next((value for key, value in self.headers if key == name), "")


class HttpFailure(msgspec.Struct, frozen=True, kw_only=True):
    """No whole answer. `written`: the request, or a part of it, may have reached the far end.

    `blocked`: the address guard refused the URL, so repeating is useless.
    """

    reason: str
    written: bool
    retry_after: float = 0.0
    blocked: bool = False


class FetchFailed(Exception):
    """A download did not succeed; `permanent` = repeating it is useless."""

    def __init__(self, reason: str, *, permanent: bool) -> None:
        super().__init__(reason)
        self.permanent = permanent


class HttpConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of the client. Times in seconds, sizes in bytes.

    `origins`: configured API bases, e.g. "https://graph.facebook.com". `connections` may be in use
    at a time; `breaker` is per origin. `memory` is what callers with large bodies share.
    """

    origins: tuple[str, ...] = ("https://graph.facebook.com",)
    connect_timeout: float = 5.0
    connections: int = 100
    reply_limit: int = 1024 * 1024
    redirects: int = 3
    memory: int = 256 * 1024 * 1024
    breaker: BreakerConfig = BreakerConfig()


_Circuit = tuple[CompanyId | None, Origin]
_BREAKERS_KEPT: Final = 1000
_REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))
_SECRET_HEADERS: Final = frozenset(("authorization", "cookie", "proxy-authorization"))


class HttpClient:
    """Sends `HttpRequest`s; make it with `open_http_client`. Never raises for what the net does."""

    def __init__(
        self,
        config: HttpConfig,
        connections: Connections,
        resolver: Resolve,
    ) -> None:
        self.memory = MemoryBudget(config.memory)
        """To be held by whoever sends or fetches a file, for as long as its bytes are in memory."""
        self._config = config
        self._connections = connections
        self._resolve = resolver
        self._origins = {origin for url in config.origins if (origin := origin_of(url))}
        self._breakers: OrderedDict[_Circuit, Breaker] = OrderedDict()
        self._breakers_of_companies: OrderedDict[_Circuit, Breaker] = OrderedDict()

    async def call(
        self,
        request: HttpRequest,
        *,
        retries: int = 0,
        limit: int | None = None,
        on_written: Hook | None = None,
    ) -> HttpReply | HttpFailure:
        """The answer, whole, or why there is none.

        `retries`: how often a failure, a 429 or a 5xx may be repeated, with back-off; pass it only
        for calls that may be repeated. `limit`: largest body in bytes. `on_written` is called
        when the request is out and its answer is not in. Cancelling leaves the outcome unknown.
        """
        attempt = 0
        while True:
            result = await self._attempt(request, limit or self._config.reply_limit, on_written)
            if attempt >= retries or not _worth_repeating(result):
                return result
            attempt += 1
            pause = max(0.2 * 2**attempt, _asked_pause(result))
            await trio.sleep(min(pause, 30.0) * random.uniform(0.5, 1.0))

    async def _attempt(
        self, request: HttpRequest, limit: int, on_written: Hook | None
    ) -> HttpReply | HttpFailure:
        exchange = _Exchange(request, limit, on_written, self._config.connect_timeout)
        result: HttpReply | HttpFailure = exchange.failure("no answer before the deadline")
        with trio.move_on_after(request.deadline) as scope:
            result = await self._checked(exchange)
        if scope.cancelled_caught:
            result = exchange.failure("no answer before the deadline")
            self._count(exchange, result)
        return result

    async def _checked(self, exchange: "_Exchange") -> HttpReply | HttpFailure:
        for _ in range(self._config.redirects + 1):
            result = await self._hop(exchange)
            if isinstance(result, HttpFailure) or not exchange.follow(result):
                return result
        return exchange.failure("too many redirects", blocked=True)

    async def _hop(self, exchange: "_Exchange") -> HttpReply | HttpFailure:
        origin = origin_of(exchange.url)
        now = trio.current_time()
        named_by = exchange.request.named_by
        breaker = self._circuits(named_by).get((named_by, origin)) if origin else None
        if breaker is not None and (wait := breaker.admit(now)):
            return HttpFailure(reason="circuit open", written=False, retry_after=wait)
        if named_by is None and origin is not None and origin in self._origins:
            url = httpx.URL(exchange.url)
            async with self._connections.kept(origin) as transport:
                result = await exchange.run(transport, url, host=url.netloc)
            exchange.may_redirect = False
        else:
            result = await self._guarded_hop(exchange)
            exchange.may_redirect = True
        self._count(exchange, result)
        return result

    async def _guarded_hop(self, exchange: "_Exchange") -> HttpReply | HttpFailure:
        try:
            origin = checked_origin(exchange.url)
            address = await checked_address(origin, self._resolve)
        except BlockedUrl as error:
            return exchange.failure(f"blocked: {error}", blocked=True)
        except OSError as error:
            return exchange.failure(f"name not resolved: {error}")
        url = httpx.URL(exchange.url)
        async with self._connections.single() as transport:
            return await exchange.run(
                transport,
                url.copy_with(host=address),
                host=url.netloc,
                sni=origin.host,
            )

    def _circuits(self, named_by: CompanyId | None) -> OrderedDict[_Circuit, Breaker]:
        """Apart, so that a company cannot have the others' forgotten either."""
        return self._breakers if named_by is None else self._breakers_of_companies

    def _count(self, exchange: "_Exchange", result: HttpReply | HttpFailure) -> None:
        origin, named_by = origin_of(exchange.url), exchange.request.named_by
        if origin is None or (isinstance(result, HttpFailure) and result.blocked):
            return
        breakers = self._circuits(named_by)
        breaker = breakers.pop((named_by, origin), None)
        bad = isinstance(result, HttpFailure) or result.status >= 500
        if not bad:
            return  # a healthy origin keeps no breaker
        breaker = breaker or Breaker(self._config.breaker)
        breaker.failed(trio.current_time())
        breakers[named_by, origin] = breaker
        if len(breakers) > _BREAKERS_KEPT:
            breakers.popitem(last=False)


class _Exchange:
    """One request on its way, through redirects; knows whether bytes went out."""

    def __init__(
        self, request: HttpRequest, limit: int, on_written: Hook | None, connect_timeout: float
    ) -> None:
        self.request = request
        self.url = request.url
        self.headers = request.headers
        self.limit = limit
        self.on_written = on_written
        self.written = False
        self.may_redirect = False
        self.too_large = False
        self.timeout = {"connect": connect_timeout, "pool": None, "read": None, "write": None}

    def failure(self, reason: str, *, blocked: bool = False) -> HttpFailure:
        return HttpFailure(reason=reason, written=self.written, blocked=blocked)

    async def run(
        self,
        transport: httpx.AsyncHTTPTransport,
        url: httpx.URL,
        *,
        host: bytes,
        sni: str = "",
    ) -> HttpReply | HttpFailure:
        """One exchange without redirects; every failure of the transport is a value."""
        request = self.request
        try:
            outgoing = httpx.Request(
                request.method,
                url,
                headers=[("host", host.decode("ascii")), *self.headers, *_framing(request)],
                stream=_Body(request.body),
                extensions={"trace": self._trace, "timeout": self.timeout}
                | ({"sni_hostname": sni} if sni else {}),
            )
            reply = await transport.handle_async_request(outgoing)
        except httpx.LocalProtocolError as error:  # refused before a byte was written
            return HttpFailure(reason=_named(error), written=False, blocked=True)
        except httpx.HTTPError as error:
            return self.failure(_named(error))
        except (ValueError, TypeError) as error:
            return self.failure(f"bad request: {error}", blocked=not self.written)
        try:
            return await self._read(reply)
        except httpx.HTTPError as error:
            return self._refusal() if self.too_large else self.failure(_named(error))
        finally:
            with trio.CancelScope(shield=True):
                await reply.aclose()

    async def _read(self, reply: httpx.Response) -> HttpReply | HttpFailure:
        if reply.headers.get("content-encoding", "identity") != "identity":
            return self.failure("the answer is compressed, which was not asked for")
        parts = bytearray()
        async for chunk in reply.aiter_raw():
            if not self.too_large:
                parts += chunk
            if len(parts) > self.limit:
                # httpx nests generators that only an end or an error unwinds: the closed
                # connection gives them one.
                self.too_large = True
                parts.clear()
                await reply.aclose()
        if self.too_large:
            return self._refusal()
        headers = tuple((name.lower(), value) for name, value in reply.headers.multi_items())
        return HttpReply(status=reply.status_code, body=bytes(parts), headers=headers)

    def _refusal(self) -> HttpFailure:
        return self.failure(f"the answer is larger than {self.limit} bytes", blocked=True)

    async def _trace(self, event: str, _info: dict[str, Any]) -> None:
        if event.endswith("send_request_headers.started"):
            self.written = True
        elif event.endswith("send_request_body.complete") and self.on_written is not None:
            self.on_written()

    def follow(self, reply: HttpReply) -> bool:
        """Whether to go on to where a redirect of a GET points; takes secrets off on the way."""
        location = reply.header("location")
        if not self.may_redirect or reply.status not in _REDIRECTS or not location:
            return False
        if self.request.method not in ("GET", "HEAD"):
            return False
        try:
            target = str(httpx.URL(self.url).join(location))
        except (httpx.InvalidURL, ValueError):
            return False
        if origin_of(target) != origin_of(self.url):
            self.headers = tuple(h for h in self.headers if h[0].lower() not in _SECRET_HEADERS)
        self.url = target
        return True


class _Body(httpx.AsyncByteStream):
    """A request's body in one piece, without a generator that a broken write would leave open."""

    def __init__(self, body: bytes) -> None:
        self._parts = iter((body,) if body else ())

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            return next(self._parts)
        except StopIteration:
            raise StopAsyncIteration from None


def _framing(request: HttpRequest) -> list[tuple[str, str]]:
    named = [("accept-encoding", "identity")]
    if request.body or request.method not in ("GET", "HEAD"):
        named.append(("content-length", str(len(request.body))))
    return named


def cut_connection() -> NoReturn:
    """From an `on_written` hook: the connection breaks here, as a reset would."""
    message = "cut"
    raise httpx.ReadError(message)


def _named(error: httpx.HTTPError) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")[:300]


def _worth_repeating(result: HttpReply | HttpFailure) -> bool:
    if isinstance(result, HttpFailure):
        return not result.blocked
    return result.status == 429 or result.status >= 500


def _asked_pause(result: HttpReply | HttpFailure) -> float:
    if isinstance(result, HttpFailure):
        return result.retry_after
    text = result.header("retry-after")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0.0


@asynccontextmanager
async def open_http_client(
    config: HttpConfig | None = None, *, resolver: Resolve = resolve
) -> AsyncGenerator[HttpClient]:
    """The client for the life of the program. Environment proxies are ignored on purpose."""
    config = config or HttpConfig()
    async with open_connections(config.connections) as connections:
        yield HttpClient(config, connections, resolver)
