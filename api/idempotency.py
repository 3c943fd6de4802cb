"""Idempotency-Key on every POST: the same key and request get the same answer, one executes.

Another request under a used key is refused (422). Concurrent repetitions wait for the first. The
answer is kept once the work was decided (2xx and 4xx); where nothing was committed (429, 503) the
key is free again. A key left by a dead process is taken over: the work itself must then recognise
what it already did, as message sends do by the same key.
"""

import hashlib
from collections.abc import Awaitable, Callable

import msgspec
import trio

from api.errors import BadRequest, InUse, KeyReused, problem
from api.http_types import Request, Response
from storage import idempotency
from storage.database import Database
from storage.idempotency import IdempotencyKey
from storage.ids import CompanyId, UserId

_JSON = ("content-type", "application/json; charset=utf-8")
_REPLAYED = ("idempotent-replayed", "true")
Key = tuple[CompanyId, UserId, str]


class Idempotency:
    """Runs work at most once per key. `epoch` numbers this process start (shards.epoch)."""

    def __init__(self, database: Database, epoch: int) -> None:
        self._database = database
        self._epoch = epoch
        self._running: dict[Key, trio.Event] = {}

    async def once(
        self,
        request: Request,
        company_id: CompanyId,
        user_id: UserId,
        work: Callable[[], Awaitable[Response]],
        *,
        scope: str = "",
    ) -> Response:
        """The answer of `work`, or the stored one of its first execution under this key.

        Raises KeyReused, InUse (another process is at it) and what `work` raises.
        """
        name = request.headers["idempotency-key"]
        if not 1 <= len(name) <= 255 or not name.isprintable():
            raise BadRequest(code="ERR_IDEMPOTENCY_KEY_INVALID")
        if scope:
            name = f"{scope}\x1f{name}"  # no key of a person has this character
        key = (company_id, user_id, name)
        while (running := self._running.get(key)) is not None:
            await running.wait()
        done = self._running[key] = trio.Event()
        try:
            return await self._claimed(key, digest_of(request), work)
        finally:
            del self._running[key]
            done.set()

    async def _claimed(
        self, key: Key, digest: bytes, work: Callable[[], Awaitable[Response]]
    ) -> Response:
        found = await idempotency.claim(self._database, *key, digest=digest, epoch=self._epoch)
        if found is not None:
            return _replayed(found, digest)
        try:
            response = await work()
        except Exception as error:
            shown = problem(error)
            if shown.status >= 500 or shown.status == 429:
                await self._release(key)
                raise
            body = msgspec.json.encode(shown.body)
            response = Response(status=shown.status, headers=[_JSON, *shown.headers], body=body)
        except BaseException:
            await self._release(key)
            raise
        with trio.CancelScope(shield=True):
            await idempotency.finish(
                self._database,
                *key,
                status=response.status,
                headers=dict(response.headers),
                reply=response.body,
            )
        return response

    async def _release(self, key: Key) -> None:
        with trio.CancelScope(shield=True):
            await idempotency.release(self._database, *key)


def digest_of(request: Request) -> bytes:
    """What makes two requests the same: method, path, query and body, uploads included."""
    whole = hashlib.sha256()
    parts = [request.method.encode(), request.path.lower().encode(), request.query.encode()]
    parts.append(request.body)
    for name, texts in (request.form or {}).items():
        parts += [name.encode(), *(text.encode("utf-8", "replace") for text in texts)]
    for upload in request.uploads:
        parts += [upload.field.encode(), upload.filename.encode("utf-8", "replace"), upload.digest]
    for part in parts:
        whole.update(len(part).to_bytes(8, "big") + part)
    return whole.digest()


def _replayed(found: IdempotencyKey, digest: bytes) -> Response:
    if found.request_digest != digest:
        raise KeyReused
    if found.state != "done" or found.status is None:
        raise InUse(retry_after=1.0)
    headers = [(name, value) for name, value in (found.headers or {}).items()]
    return Response(status=found.status, headers=[*headers, _REPLAYED], body=found.reply or b"")
