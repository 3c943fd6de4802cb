"""Status webhooks: posted signed, and repeated until they are answered 2xx, as Meta does."""

import random
import time
from urllib.parse import urlsplit

import httpx
import msgspec
import trio

from actors.channels.whatsapp_cloud import signature
from actors.channels.whatsapp_cloud.signature import SIGNATURE_HEADER


class Hooks(msgspec.Struct, forbid_unknown_fields=True):
    """Where status webhooks go. `urls` maps a phone-number id to its own address; `url` is for
    the rest ("" = nothing is posted). `secret` is the app secret."""

    url: str = ""
    secret: str = ""
    urls: dict[str, str] = msgspec.field(default_factory=dict)
    secrets: dict[str, str] = msgspec.field(default_factory=dict)


def status_body(phone_number_id: str, provider_id: str, word: str, to: str, callback: str) -> bytes:
    """One status webhook."""
    status: dict[str, object] = {
        "id": provider_id,
        "status": word,
        "timestamp": str(int(time.time())),
        "recipient_id": to,
    }
    if callback:
        status["biz_opaque_callback_data"] = callback
    if word == "failed":
        status["errors"] = [{"code": 131026, "title": "Message undeliverable"}]
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": phone_number_id, "phone_number_id": phone_number_id},
        "statuses": [status],
    }
    change = {"field": "messages", "value": value}
    entry = {"id": "fake-waba", "changes": [change]}
    return msgspec.json.encode({"object": "whatsapp_business_account", "entry": [entry]})


class Reporter:
    """Posts bodies; `posted` and `repeated` count answers."""

    def __init__(self, hooks: Hooks, *, connections: int = 16) -> None:
        self.hooks = hooks
        self.posted = 0
        self.repeated = 0
        self._slots = trio.Semaphore(connections)
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._client = httpx.AsyncClient(limits=limits, timeout=10, trust_env=False)

    def target(self, phone_number_id: str) -> str:
        """The address for statuses of that number; "" if there is none."""
        return self.hooks.urls.get(phone_number_id, self.hooks.url)

    async def post(self, phone_number_id: str, body: bytes) -> None:
        """Returns when the webhook was answered 2xx."""
        url = self.target(phone_number_id)
        if not url or not urlsplit(url).hostname:
            return
        secret = self.hooks.secrets.get(phone_number_id, self.hooks.secret)
        headers = {SIGNATURE_HEADER: signature(secret, body), "content-type": "application/json"}
        pause = 0.2
        while True:
            if await self._answered(url, body, headers):
                self.posted += 1
                return
            self.repeated += 1
            await trio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, 5.0)

    async def _answered(self, url: str, body: bytes, headers: dict[str, str]) -> bool:
        async with self._slots:
            try:
                reply = await self._client.post(url, content=body, headers=headers)
            except httpx.HTTPError:
                return False
        return reply.is_success
