"""What every endpoint gets first: who asks, what was asked, and the parts that do the work."""

from collections.abc import Callable
from typing import Any

import msgspec

from api.errors import Missing
from api.http_types import Request
from api.parts import Parts
from api.principal import Principal
from storage import companies
from storage.database import Tx
from storage.ids import CompanyId, UserId
from storage.snapshots import CompanySnapshot


class PublicCtx:
    """The context of a public endpoint: nobody is known yet."""

    __slots__ = ("parts", "request")

    def __init__(self, request: Request, parts: Parts) -> None:
        self.request = request
        self.parts = parts


class Ctx(PublicCtx):
    """The context of an authenticated endpoint; `company_id` comes from the token alone."""

    __slots__ = ("_snapshot", "principal", "settle")

    def __init__(self, request: Request, parts: Parts, principal: Principal) -> None:
        super().__init__(request, parts)
        self.principal = principal
        self._snapshot: CompanySnapshot | None = None
        self.settle: Callable[[Tx, Any], None] = lambda _tx, _result: None
        """`settle(tx, result)` stores the answer in the transaction it tells of, under the
        request's idempotency key if it has one: then it is not lost either."""

    @property
    def company_id(self) -> CompanyId:
        """The company of the caller: first argument of every data function."""
        return self.principal.company_id

    async def snapshot(self) -> CompanySnapshot:
        """The company's configuration, as it was when this request first asked.

        Ask once before opening a transaction: later calls then need no second connection, which
        many transactions at once would wait for in vain.
        """
        if self._snapshot is None:
            self._snapshot = await self.parts.snapshots.current(self.company_id)
        return self._snapshot

    async def of(self, company_id: int | None) -> "Ctx":
        """The same caller asking about another company; None asks about the own one.

        Raises Missing for another company unless the caller acts for all of them.
        """
        if company_id is None or company_id == self.company_id:
            return self
        if not self.principal.is_super:
            raise Missing(code="ERR_NO_COMPANY_FOUND")
        found = await companies.get(self.parts.database, CompanyId(company_id))
        principal = msgspec.structs.replace(self.principal, company_id=found.id)
        return Ctx(self.request, self.parts, principal)

    @property
    def user_id(self) -> UserId:
        """The calling user."""
        return self.principal.user_id
