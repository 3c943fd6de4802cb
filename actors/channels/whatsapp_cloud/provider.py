"""The Cloud API as a provider: pure functions and a capability list, configured once."""

import secrets
from typing import TypeVar

import msgspec

from actors.channels.base import (
    Account,
    Capabilities,
    HttpFailure,
    HttpReply,
    HttpRequest,
    Media,
    Outbound,
    OutMedia,
    Parsed,
    Rejected,
    SendResult,
    refuse,
)
from actors.channels.whatsapp_cloud import errors, limits
from actors.channels.whatsapp_cloud.parse import parse
from actors.channels.whatsapp_cloud.request import bearer, body_of, endpoint, multipart
from actors.http import origin_of

T = TypeVar("T", bound=msgspec.Struct)

CAPABILITIES = Capabilities(
    takes_our_id=False,
    media=limits.MEDIA_KINDS,
    reactions=True,
    buttons=limits.BUTTONS,
    list_rows=limits.ROWS,
    templates=True,
    contacts=True,
    locations=True,
    reads=True,
    composing=True,
    groups=True,
    text_limit=limits.TEXT,
    window=24 * 3600.0,
    rate=80.0,
    pair_rate=10.0,
)

#: Where Graph keeps media; a token goes to no other host.
MEDIA_HOSTS = ("fbsbx.com", "fbcdn.net", "whatsapp.net", "whatsapp.com", "facebook.com")


class MediaLocation(msgspec.Struct, frozen=True):
    """Graph's answer for a media id; the address lives about five minutes."""

    url: str = ""
    mime_type: str = ""
    sha256: str = ""
    file_size: int = 0


class _Uploaded(msgspec.Struct, frozen=True):
    id: str = ""


class WhatsAppCloud(msgspec.Struct, frozen=True, kw_only=True):
    """WhatsApp Cloud API at `base_url`; an account may ask for another Graph version."""

    base_url: str = "https://graph.facebook.com"
    version: str = "v23.0"

    @property
    def name(self) -> str:
        """The channel's name in storage."""
        return "whatsapp_cloud"

    @property
    def capabilities(self) -> Capabilities:
        """What the API can do."""
        return CAPABILITIES

    def parse(self, raw: bytes) -> Parsed:
        """A webhook body → neutral Structs; never raises."""
        return parse(raw)

    def check(self, message: Outbound) -> None:
        """Raises Unsendable for what the API would surely refuse."""
        limits.check(message)

    def request(self, account: Account, message: Outbound, *, outbox_id: int) -> HttpRequest:
        """`POST /{phone-number-id}/messages`. Raises Unsendable."""
        limits.check(message)
        return self._call(
            account, "POST", (account.external_id, "messages"), body_of(message, outbox_id)
        )

    def outcome(self, reply: HttpReply | HttpFailure) -> SendResult:
        """Accepted, surely not accepted, or unknown."""
        return errors.outcome(reply)

    def number(self, account: Account) -> HttpRequest:
        """`GET /{phone-number-id}`: whether it exists for this token. Raises Unsendable."""
        if not account.external_id:
            refuse("ERR_ACCOUNT", "the connection has no phone-number id")
        return self._call(account, "GET", (account.external_id,), b"", deadline=10.0)

    def number_refused(self, account: Account, reply: HttpReply | HttpFailure) -> Rejected | None:
        """Why Graph does not serve the number; None where it does or does not say."""
        if isinstance(reply, HttpReply) and reply.status == 200:
            if _decoded(reply, _Uploaded()).id == account.external_id:
                return None
            message = "the phone-number id is answered with another object"
            return Rejected(code="ERR_ACCOUNT", message=message, permanent=True, alert=True)
        verdict = errors.outcome(reply)
        if not isinstance(verdict, Rejected) or verdict.category == "network":
            return None
        return verdict if verdict.permanent or verdict.alert else None

    def upload(self, account: Account, message: OutMedia, content: bytes) -> HttpRequest:
        """`POST /{phone-number-id}/media`: repeating it is harmless. Raises Unsendable."""
        boundary = secrets.token_hex(16)
        mime = message.mime or "application/octet-stream"
        if not mime.isascii() or not mime.isprintable():
            refuse("ERR_MEDIA_KIND", "the file has no usable content type")
        form = {"messaging_product": "whatsapp", "type": mime}
        body = multipart(form, mime, content, boundary)
        parts = (account.external_id, "media")
        kind = f"multipart/form-data; boundary={boundary}"
        return self._call(account, "POST", parts, body, content_type=kind, deadline=120.0)

    def uploaded(self, reply: HttpReply) -> str:
        """The media id in the answer to an upload ("" if there is none)."""
        return _decoded(reply, _Uploaded()).id

    def locate(self, account: Account, media: Media) -> HttpRequest:
        """`GET /{media-id}`: where the file is right now. Raises Unsendable."""
        return self._call(account, "GET", (media.id,), b"")

    def located(self, reply: HttpReply) -> MediaLocation:
        """The answer to `locate`; an empty url if Graph named none."""
        return _decoded(reply, MediaLocation())

    def download(self, account: Account, url: str) -> HttpRequest:
        """The call for the bytes. Raises Unsendable unless `url` is on a host of Graph's.

        The token is sent only there: over TLS to Meta's hosts, or to the configured origin.
        """
        if not self._trusted(url):
            refuse("ERR_MEDIA_HOST", "the media address is on a foreign host")
        headers = (bearer(account.token), ("user-agent", "chatia-flow"))
        return HttpRequest(method="GET", url=url, headers=headers, deadline=120.0)

    def _trusted(self, url: str) -> bool:
        origin = origin_of(url)
        if origin is None:
            return False
        if origin == origin_of(self.base_url):
            return True
        hosted = any(
            origin.host == host or origin.host.endswith(f".{host}") for host in MEDIA_HOSTS
        )
        return origin.scheme == "https" and origin.port == 443 and hosted

    def _call(
        self,
        account: Account,
        method: str,
        parts: tuple[str, ...],
        body: bytes,
        *,
        content_type: str = "application/json",
        deadline: float = 20.0,
    ) -> HttpRequest:
        headers = [bearer(account.token), ("user-agent", "chatia-flow")]
        if body:
            headers.append(("content-type", content_type))
        return HttpRequest(
            method=method,
            url=endpoint(self.base_url, account.api_version or self.version, *parts),
            headers=tuple(headers),
            body=body,
            deadline=deadline,
        )


def _decoded(reply: HttpReply, otherwise: T) -> T:
    if reply.status != 200:
        return otherwise
    try:
        return msgspec.json.decode(reply.body, type=type(otherwise), strict=False)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return otherwise
