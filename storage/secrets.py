"""Secrets at rest: AES-256-GCM boxes bound to the row that holds them, and how they are shown."""

import secrets
from typing import Final, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from storage.errors import StorageError

S = TypeVar("S", bound=msgspec.Struct)

_FORMAT: Final = b"\x01"
_NONCE: Final = 12


class SecretUnreadable(StorageError):
    """A sealed secret was not made with this key for this row, or was changed."""

    code = "ERR_SECRET_UNREADABLE"


class SecretBox:
    """Seals Structs with one 32-byte key.

    The box is bound to `place` (table and primary key), so a sealed value copied to another row
    does not open there. Layout: format byte 1, 12-byte random nonce, ciphertext with 16-byte tag
    (NIST SP 800-38D).
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != 32:
            message = "the secrets' key must be 32 bytes"
            raise ValueError(message)
        self._cipher = AESGCM(key)

    def seal(self, value: msgspec.Struct, place: str) -> bytes:
        """Encrypt a Struct for one row."""
        nonce = secrets.token_bytes(_NONCE)
        plain = msgspec.json.encode(value)
        return _FORMAT + nonce + self._cipher.encrypt(nonce, plain, place.encode())

    def open(self, sealed: bytes, place: str, into: type[S]) -> S:
        """Decrypt what `seal` made for the same row; raises SecretUnreadable."""
        if sealed[:1] != _FORMAT or len(sealed) < 1 + _NONCE + 16:
            message = f"no sealed secret at {place}"
            raise SecretUnreadable(message)
        nonce = sealed[1 : 1 + _NONCE]
        try:
            plain = self._cipher.decrypt(nonce, sealed[1 + _NONCE :], place.encode())
        except InvalidTag as error:
            message = f"the secret at {place} does not open with this key"
            raise SecretUnreadable(message) from error
        return msgspec.json.decode(plain, type=into)


def mask(secret: str) -> str:
    """Show that a secret is set: bullets, and its last four letters if it is long enough."""
    if not secret:
        return ""
    return "••••••••" + (secret[-4:] if len(secret) >= 16 else "")


def is_masked(value: str) -> bool:
    """Tell a masked secret that came back in a form, and must not overwrite the real one."""
    return value.startswith("••••••••")
