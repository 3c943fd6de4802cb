"""Who does what: the act of each request, for the audit log that the commits under it write."""

import hashlib
import hmac
from functools import cache
from typing import Any

import msgspec
from msgspec import UNSET

from api.endpoint.context import Ctx
from api.endpoint.declaration import Endpoint
from storage.acts import Act, Field, Once
from storage.ids import CompanyId, UserId

_SECRET = ("password", "token", "secret", "apikey", "senha")
_DIGEST = 16
_UNSEEN = object()


def chain_key(data_key: str) -> bytes:
    """What the log's entries are tied together with; whoever has only the database lacks it."""
    return hashlib.sha256(b"audit chain\0" + data_key.encode()).digest()


class Audit:
    """Describes requests without keeping what is in them. One per process."""

    def __init__(self, data_key: str) -> None:
        self._key = hashlib.sha256(b"audit digests\0" + data_key.encode()).digest()

    def act(
        self, endpoint: Endpoint, ctx: Ctx, arguments: dict[str, Any], once: Once | None = None
    ) -> Act:
        """The act of one request: who, from where, which endpoint, which fields."""
        principal, request = ctx.principal, ctx.request
        ids = [value for name, _ in endpoint.params if type(value := arguments[name]) is int]
        return Act(
            company_id=principal.company_id,
            user_id=None if principal.program else principal.user_id,
            behind_id=principal.impersonator_id,
            behind_company_id=principal.impersonator_company_id,
            token_id=principal.token_id,
            connection_id=principal.connection_id,
            session=principal.family,
            address=self.digest(request.client) if request.client else "",
            request=request.request_id,
            noun=endpoint.noun,
            action=endpoint.handler.__name__,
            row=ids[0] if ids else None,
            fields=self._fields(arguments),
            once=once,
        )

    def person(
        self,
        company_id: CompanyId | None,
        user_id: UserId | None,
        noun: str,
        action: str,
        address: str,
    ) -> Act:
        """The act of somebody who is known without a login: by a mailed token, by signing up."""
        return Act(
            company_id=company_id,
            user_id=user_id,
            address=self.digest(address) if address else "",
            noun=noun,
            action=action,
        )

    def digest(self, value: str) -> str:
        """A keyed digest, the same for the same value in this installation: to compare, not to read."""
        return hmac.digest(self._key, value.encode("utf-8", "replace"), "sha256").hex()[:_DIGEST]

    def _fields(self, arguments: dict[str, Any]) -> dict[str, Field]:
        body = arguments.get("body")
        found = {} if body is None else self._given(body)
        for upload in arguments.get("uploads", ()):
            found[upload.field] = self.digest(upload.filename)
        return found

    def _given(self, body: msgspec.Struct) -> dict[str, Field]:
        """What a body sets to anything but the default: names, with values nobody is known by."""
        found: dict[str, Field] = {}
        for name, wire, default, secret in _fields_of(type(body)):
            value = getattr(body, name)
            if value is UNSET or value == default:
                continue
            found[wire] = None if secret else self._kept(value)
        return found

    def _kept(self, value: object) -> Field:
        if value is None or isinstance(value, int):  # ids, counts and switches
            return value
        return self.digest(value if isinstance(value, str) else msgspec.json.encode(value).decode())


@cache
def _fields_of(struct: type[msgspec.Struct]) -> tuple[tuple[str, str, Any, bool], ...]:
    """Each field's name, wire name and default, and whether its very digest would tell too much."""
    found = []
    for field in msgspec.structs.fields(struct):
        default = field.default if field.default is not msgspec.NODEFAULT else _UNSEEN
        if field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        secret = any(word in field.encode_name.lower() for word in _SECRET)
        found.append((field.name, field.encode_name, default, secret))
    return tuple(found)
