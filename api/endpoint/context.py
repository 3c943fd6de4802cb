"""What every endpoint gets first: who asks, what was asked, and the parts that do the work."""

from api.http_types import Request
from api.parts import Parts
from api.principal import Principal
from storage.ids import CompanyId, UserId


class PublicCtx:
    """The context of a public endpoint: nobody is known yet."""

    __slots__ = ("parts", "request")

    def __init__(self, request: Request, parts: Parts) -> None:
        self.request = request
        self.parts = parts


class Ctx(PublicCtx):
    """The context of an authenticated endpoint; `company_id` comes from the token alone."""

    __slots__ = ("principal",)

    def __init__(self, request: Request, parts: Parts, principal: Principal) -> None:
        super().__init__(request, parts)
        self.principal = principal

    @property
    def company_id(self) -> CompanyId:
        """The company of the caller: first argument of every data function."""
        return self.principal.company_id

    @property
    def user_id(self) -> UserId:
        """The calling user."""
        return self.principal.user_id
