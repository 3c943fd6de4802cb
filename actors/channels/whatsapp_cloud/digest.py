"""Digests as the API writes them: base64 in webhooks, hex from the media endpoint."""

import base64
import binascii
import re

_HEX = re.compile(r"[0-9a-fA-F]{64}")


def hex_digest(text: str) -> str:
    """A SHA-256 in lower-case hex, or "" if `text` is none in either form."""
    if _HEX.fullmatch(text):
        return text.lower()
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return ""
    return raw.hex() if len(raw) == 32 else ""
