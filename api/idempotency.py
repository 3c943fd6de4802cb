"""Idempotency-Key on every POST: the same key and request get the same answer, one executes.

Another request under a used key is refused (422). Concurrent repetitions wait for the first. The
answer is kept once the work was decided (2xx and 4xx); where nothing was committed (429, 503) the
key is free again, even if it could not be released in an outage. Four cases of a process that
dies, or cannot reach the database, between its commit and the answer:

- A transaction takes the key with it, so the work is never done twice; `ctx.settle` stores the
  answer there too (every `crud` does). Without, a repetition is told that its answer is lost (409).
- Work of several commits (an import, batch by batch) says that it is `repeatable`: none of them
  takes the key, and a repetition does the rest.
- What an actor commits does not take the key: the work is done again and recognises itself, message
  sends by the same key, contacts and tickets by their numbers (409 then, not the first answer).
- Logins, letters for a new password and signing up have no principal to keep a key for. Their
  answers are secrets that must not be stored, or nothing is lost by asking twice.
"""

import hashlib
from collections.abc import Awaitable, Callable

import msgspec
import trio

from api.errors import AnswerLost, BadRequest, InUse, KeyReused, problem
from api.http_types import Request, Response
from storage import faults, idempotency
from storage.acts import Once
from storage.database import Database, Tx
from storage.idempotency import IdempotencyKey
from storage.ids import CompanyId, UserId
from storage.secrets import SecretBox, SecretUnreadable

_JSON = ("content-type", "application/json; charset=utf-8")
_COOKIE = "set-cookie"
_REPLAYED = ("idempotent-replayed", "true")


class _Answer(msgspec.Struct, frozen=True):
    """What may be a secret of an answer: its body, and the cookies that it sets."""

    body: bytes
    cookies: tuple[str, ...] = ()


class Idempotency:
    """Runs work at most once per key. `epoch` numbers this process start (shards.epoch)."""

    def __init__(self, database: Database, box: SecretBox, epoch: int) -> None:
        self._database = database
        self._epoch = epoch
        self._box = box
        self._running: dict[Once, trio.Event] = {}

    async def once(
        self,
        request: Request,
        company_id: CompanyId,
        user_id: UserId,
        work: Callable[[Once], Awaitable[Response]],
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
        self, key: Once, digest: bytes, work: Callable[[Once], Awaitable[Response]]
    ) -> Response:
        found = await idempotency.claim(self._database, *key, digest=digest, epoch=self._epoch)
        if found is not None:
            return self._replayed(found, digest)
        try:
            response = await work(key)
            faults.hit("http.worked")
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
                headers=_open_headers(response),
                reply=self._sealed(key, response),
            )
        return response

    def keep(self, tx: Tx, key: Once, response: Response) -> None:
        """Store an answer with the transaction that it tells of."""
        reply = self._sealed(key, response)
        tx.keep_answer(response.status, _open_headers(response), reply)

    def _sealed(self, key: Once, response: Response) -> bytes:
        """An answer may hold a token that is shown this once: it lies sealed like any secret."""
        cookies = tuple(value for name, value in response.headers if name == _COOKIE)
        return self._box.seal(_Answer(response.body, cookies), _place(key))

    def _replayed(self, found: IdempotencyKey, digest: bytes) -> Response:
        if found.request_digest != digest:
            raise KeyReused
        if found.state != "done":
            raise InUse(retry_after=1.0)
        if found.status is None or found.reply is None:
            raise AnswerLost
        key = (found.company_id, found.user_id, found.key)
        try:
            answer = self._box.open(found.reply, _place(key), _Answer)
        except SecretUnreadable as error:
            raise AnswerLost from error
        headers = [(name, value) for name, value in (found.headers or {}).items()]
        headers += [(_COOKIE, cookie) for cookie in answer.cookies]
        return Response(status=found.status, headers=[*headers, _REPLAYED], body=answer.body)

    async def _release(self, key: Once) -> None:
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


def _open_headers(response: Response) -> dict[str, str]:
    """The headers that lie open beside the sealed answer."""
    return {name: value for name, value in response.headers if name != _COOKIE}


def _place(key: Once) -> str:
    company_id, user_id, name = key
    return f"idempotency_keys:{company_id}:{user_id}:{name}"
