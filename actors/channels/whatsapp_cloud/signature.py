"""Proof that a webhook comes from the app: verification GET and body signature.

Rules: Meta's "Getting started with webhooks" (Graph API): the verify token is echoed as plain
text, and `X-Hub-Signature-256` is the HMAC-SHA256 of the raw body under the app secret.
"""

import hashlib
import hmac
from collections.abc import Mapping

SIGNATURE_HEADER = "x-hub-signature-256"
_PREFIX = "sha256="


def challenge(query: Mapping[str, str], verify_token: str) -> str | None:
    """The text to answer the verification GET with, or None: answer 403.

    An empty `verify_token` (not configured) verifies nothing.
    """
    offered = query.get("hub.verify_token", "")
    if query.get("hub.mode") != "subscribe" or not verify_token:
        return None
    if not hmac.compare_digest(offered.encode(errors="replace"), verify_token.encode()):
        return None
    return query.get("hub.challenge", "")


def signature(secret: str, body: bytes) -> str:
    """The header value for `body`, bytes exactly as on the wire."""
    return _PREFIX + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def verified(secret: str, body: bytes, header: str | None) -> bool:
    """Whether `header` signs `body`; compared in constant time. No secret: nothing is verified."""
    if not secret or not header or not header.startswith(_PREFIX):
        return False
    expected = signature(secret, body)
    return hmac.compare_digest(expected.encode(), header.strip().lower().encode(errors="replace"))
