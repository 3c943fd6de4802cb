"""Access and refresh tokens: JSON Web Tokens (RFC 7519), HS256, one secret for each kind."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import jwt
import msgspec

from api.errors import TokenRefused
from storage.ids import CompanyId, UserId

ALGORITHM = "HS256"
Clock = Callable[[], float]


def now() -> float:
    """The wall clock in unix seconds."""
    return datetime.now(UTC).timestamp()


class InvalidToken(TokenRefused):
    """Not one of our tokens: malformed, wrong signature, wrong algorithm, missing claims (403)."""


class ExpiredToken(TokenRefused):
    """Was one of ours; the client gets a new one by its refresh cookie (403)."""


class AccessClaims(msgspec.Struct, frozen=True, kw_only=True):
    """What an access token says; the misspelt name is the family's and clients read it."""

    usarname: str
    profile: str
    id: UserId
    companyId: CompanyId
    super: bool
    sessionId: str
    iat: int
    exp: int
    impersonated: bool = False
    originalUserId: UserId | None = None
    originalCompanyId: CompanyId | None = None


class RefreshClaims(msgspec.Struct, frozen=True, kw_only=True):
    """What a refresh token says: a login session (family) and the number of this token in it.

    `iat` and `exp` come from the family's row, so that every request that rotates the same token
    gets the same successor, byte for byte.
    """

    id: UserId
    companyId: CompanyId
    family: str
    generation: int
    iat: int
    exp: int


C = TypeVar("C", AccessClaims, RefreshClaims)


class Tokens:
    """Signs and reads both kinds of token."""

    def __init__(self, access_secret: str, refresh_secret: str, clock: Clock = now) -> None:
        self._access = access_secret
        self._refresh = refresh_secret
        self._clock = clock

    def sign_access(self, claims: AccessClaims) -> str:
        """An access token; browsers read its payload."""
        return jwt.encode(msgspec.to_builtins(claims), self._access, algorithm=ALGORITHM)

    def sign_refresh(self, claims: RefreshClaims) -> str:
        """A refresh token, for the cookie only."""
        return jwt.encode(msgspec.to_builtins(claims), self._refresh, algorithm=ALGORITHM)

    def read_access(self, token: str) -> AccessClaims:
        """The claims of a valid access token. Raises InvalidToken or ExpiredToken."""
        return self._read(token, self._access, AccessClaims)

    def read_refresh(self, token: str) -> RefreshClaims:
        """The claims of a valid refresh token. Raises InvalidToken or ExpiredToken."""
        return self._read(token, self._refresh, RefreshClaims)

    def _read(self, token: str, secret: str, claims: type[C]) -> C:
        if len(token) > 4096:
            raise InvalidToken
        try:
            payload = jwt.decode(
                token, secret, algorithms=[ALGORITHM], options={"verify_exp": False}
            )
            read = msgspec.convert(payload, claims)
        except (jwt.PyJWTError, msgspec.ValidationError, ValueError) as error:
            raise InvalidToken from error
        if read.exp <= self._clock():
            raise ExpiredToken
        return read
