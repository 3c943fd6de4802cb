"""A dispatcher over declared endpoints, called as a server would, without a socket."""

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import trio

from api.audit import Audit
from api.endpoint.asgi import Dispatcher
from api.endpoint.declaration import Endpoint
from api.endpoint.table import RouteTable
from api.errors import TokenRefused
from api.metrics import Metrics
from api.principal import Principal


class Answer(msgspec.Struct):
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


def principal(profile: str = "user", *, is_super: bool = False) -> Principal:
    return Principal(
        user_id=7,
        company_id=3,
        name="Ana",
        profile=profile,
        is_super=is_super,
        department_ids=(),
        all_ticket=False,
        all_historic=False,
        all_user_chat=False,
        allow_group=False,
        expires_at=1e12,
        family="f",
    )


TOKENS = {
    "user": principal(),
    "admin": principal("admin"),
    "super": principal(is_super=True),
}


async def authenticate(token: str) -> Principal:
    if token not in TOKENS:
        raise TokenRefused
    return TOKENS[token]


class Client:
    """Sends requests to an ASGI application, body in pieces of `piece` bytes."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        token: str | None = None,
        piece: int = 1 << 20,
        cut: bool = False,
    ) -> Answer:
        sent = {"host": "testserver"} | {k.lower(): v for k, v in (headers or {}).items()}
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        pieces = [body[i : i + piece] for i in range(0, len(body), piece)] or [b""]
        messages = [
            {"type": "http.request", "body": part, "more_body": cut or i + 1 < len(pieces)}
            for i, part in enumerate(pieces)
        ]
        got: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if messages:
                return messages.pop(0)
            if cut:
                return {"type": "http.disconnect"}
            return await trio.sleep_forever()

        async def send(message: dict[str, Any]) -> None:
            got.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "server": ("127.0.0.1", 80),
            "extensions": {},
            "query_string": query.encode(),
            "headers": [(k.encode(), v.encode("latin-1")) for k, v in sent.items()],
            "client": ("192.0.2.1", 5),
        }
        await self.app(scope, receive, send)
        start, *rest = got
        return Answer(
            start["status"],
            {k.decode(): v.decode("latin-1") for k, v in start["headers"]},
            b"".join(part.get("body", b"") for part in rest),
        )


@pytest.fixture
def serve() -> Callable[[Iterable[Endpoint]], Client]:
    """A client of a dispatcher over these endpoints; unknown paths answer 418."""

    def build(endpoints: Iterable[Endpoint], **settings: Any) -> Client:
        values = {
            "origins": frozenset({"https://app.example.com"}),
            "body_limit": 1000,
            "request_deadline": 5.0,
        } | settings
        parts = SimpleNamespace(
            settings=SimpleNamespace(**values),
            auth=SimpleNamespace(bearers=SimpleNamespace(authenticate=authenticate)),
            metrics=Metrics(),
            audit=Audit("key"),
        )

        return Client(Dispatcher(RouteTable(endpoints), parts))  # type: ignore[arg-type]

    return build
