"""Whose rights may have been withdrawn: of those who are here, and while somebody is let in."""

from collections import OrderedDict
from typing import Final

from api.principal import Principal
from storage.ids import CompanyId, UserId
from storage.views import UserView
from storage.views.words import enable, enabled

EVERYBODY: Final = UserId(0)
"""Stands for all users of a company."""

Whose = str | tuple[CompanyId, UserId]
"""A login session, or a user."""


class Withdrawals:
    """Numbers them. The oldest are forgotten, and then count against everybody: never in favour."""

    def __init__(self, kept: int = 10_000) -> None:
        self.count = 0
        self._kept = kept
        self._last: OrderedDict[Whose, int] = OrderedDict()
        self._forgotten = 0

    def note(self, whose: Whose) -> None:
        """Rights may have been withdrawn from now on."""
        self.count += 1
        self._last[whose] = self.count
        self._last.move_to_end(whose)
        if len(self._last) > self._kept:
            _, self._forgotten = self._last.popitem(last=False)

    def since(self, principal: Principal, seen: int) -> bool:
        """Whether any of this principal's may have been, after the count was `seen`."""
        company_id = principal.company_id
        mine = (principal.family, (company_id, principal.user_id), (company_id, EVERYBODY))
        return self._forgotten > seen or any(self._last.get(whose, 0) > seen for whose in mine)


def sees_as(principal: Principal, user: UserView) -> bool:
    """Whether a user as it is now is in the same rooms as the principal that came in. Pure."""
    then = (
        principal.profile,
        principal.is_super,
        frozenset(principal.department_ids),
        enable(principal.all_ticket),
        enabled(principal.all_user_chat),
        principal.allow_group,
    )
    departments = frozenset(department.id for department in user.departments)
    words = user.all_ticket, user.all_user_chat, user.allow_group
    return then == (user.profile, user.is_super, departments, *words)
