"""The Cloud API as the actors use it: the provider's pure functions with the HTTP client."""

import hashlib
from typing import NoReturn

import msgspec

from actors.channels.base import (
    Accepted,
    Account,
    Capabilities,
    FetchFailed,
    HttpFailure,
    HttpReply,
    HttpRequest,
    Media,
    Outbound,
    OutMedia,
    Parsed,
    Rejected,
    SendResult,
    Unknown,
    Unsendable,
)
from actors.channels.whatsapp_cloud.provider import WhatsAppCloud
from actors.http import HttpClient, cut_connection
from actors.media import MediaMissing, MediaStore
from storage import faults

#: Largest file the API takes (documents), in bytes.
UPLOAD_LIMIT = 100 * 1024 * 1024


class CloudChannel:
    """Sends by `http`; uploads files of `store` beforehand."""

    def __init__(
        self,
        provider: WhatsAppCloud,
        http: HttpClient,
        store: MediaStore | None = None,
    ) -> None:
        self._provider = provider
        self._http = http
        self._store = store

    @property
    def name(self) -> str:
        """The channel's name in storage."""
        return self._provider.name

    @property
    def capabilities(self) -> Capabilities:
        """What the API can do."""
        return self._provider.capabilities

    def parse(self, raw: bytes) -> Parsed:
        """A webhook body → neutral Structs; never raises."""
        return self._provider.parse(raw)

    def check(self, message: Outbound) -> None:
        """Raises Unsendable for what the API would surely refuse."""
        self._provider.check(message)

    async def refusal(self, account: Account) -> Rejected | None:
        """Asks Graph for the phone number; a refused token or an unknown number is told."""
        try:
            request = self._provider.number(account)
        except Unsendable as refusal:
            return Rejected(code=refusal.code, message=str(refusal), permanent=True)
        return self._provider.number_refused(account, await self._http.call(request))

    def new_provider_id(self) -> str:
        """The API chooses its ids itself."""
        return ""

    async def send(
        self, account: Account, message: Outbound, *, outbox_id: int, provider_id: str = ""
    ) -> SendResult:
        """One attempt; commit that it is being made before calling.

        There is no idempotency key: what is not surely refused must not be sent again.
        """
        try:
            if isinstance(message, OutMedia) and message.stored:
                ready = await self._uploaded(account, message)
                if not isinstance(ready, OutMedia):
                    return ready
                message = ready
            request = self._provider.request(account, message, outbox_id=outbox_id)
        except Unsendable as refusal:
            return Rejected(
                code=refusal.code, message=str(refusal), permanent=True, category="request"
            )
        return self._provider.outcome(await self._http.call(request, on_written=_written))

    async def _uploaded(self, account: Account, message: OutMedia) -> OutMedia | Rejected:
        self._provider.check(message)
        if self._store is None:
            return _not_uploaded("there is no media store", permanent=True)
        try:
            stored = await self._store.stat(account.company_id, message.stored)
            if stored.size > UPLOAD_LIMIT:
                return _not_uploaded("the file is too large for the API", permanent=True)
            named = msgspec.structs.replace(message, mime=message.mime or stored.mime)
            async with self._http.memory.hold(2 * stored.size):  # the file, and the form around it
                content = await self._store.read(account.company_id, message.stored)
                form = self._provider.upload(account, named, content)
                reply = await self._http.call(form, retries=1)
        except MediaMissing:
            return _not_uploaded("the file is gone", permanent=True)
        except OSError as error:
            return _not_uploaded(f"the file cannot be read: {error}", permanent=False)
        media_id = self._provider.uploaded(reply) if isinstance(reply, HttpReply) else ""
        if media_id:
            return msgspec.structs.replace(named, stored="", media_id=media_id)
        verdict = self._provider.outcome(reply)
        if isinstance(verdict, Rejected):
            return verdict
        reason = verdict.reason if isinstance(verdict, Unknown) else _odd(verdict)
        return _not_uploaded(reason, permanent=False)

    async def fetch(self, account: Account, media: Media, *, limit: int) -> tuple[bytes, str]:
        """The bytes of an inbound file, checked against its digest, and their claimed type."""
        mime, digest, url, size = media.mime, media.sha256, media.url, limit
        try:
            if media.id:
                reply = await self._answer(self._provider.locate(account, media))
                found = self._provider.located(reply)
                if found.file_size > limit:
                    _fail(f"the file has {found.file_size} bytes, limit {limit}", permanent=True)
                mime, url = found.mime_type or mime, found.url
                size = found.file_size or limit
            if not url:
                _fail("the provider names no address for the file", permanent=False)
            async with self._http.memory.hold(size):
                reply = await self._answer(self._provider.download(account, url), limit)
        except Unsendable as refusal:
            _fail(str(refusal), permanent=True)
        if digest and hashlib.sha256(reply.body).hexdigest() != digest:
            _fail("the file is not the one that was announced", permanent=False)
        return reply.body, mime or reply.header("content-type")

    async def _answer(self, request: HttpRequest, limit: int | None = None) -> HttpReply:
        reply = await self._http.call(request, retries=2, limit=limit)
        if isinstance(reply, HttpFailure):
            _fail(reply.reason, permanent=reply.blocked)
        if reply.status == 200:
            return reply
        verdict = self._provider.outcome(reply)
        permanent = isinstance(verdict, Rejected) and verdict.permanent and reply.status != 404
        _fail(f"HTTP {reply.status}", permanent=permanent)


def _written() -> None:
    faults.hit("send.written", cut=cut_connection)


def _fail(reason: str, *, permanent: bool) -> NoReturn:
    raise FetchFailed(reason, permanent=permanent)


def _odd(verdict: Accepted) -> str:
    return f"the upload was answered like a message ({verdict.state or 'no media id'})"


def _not_uploaded(reason: str, *, permanent: bool) -> Rejected:
    return Rejected(
        code="ERR_MEDIA_UPLOAD",
        message=reason,
        permanent=permanent,
        retry_after=0.0 if permanent else 5.0,
        category="media",
    )
