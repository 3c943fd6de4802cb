"""Which rooms there are, and which of them a principal may be in. Pure.

Agents get only what they may see, by the rule of the family's classic line: admins watch the
whole company, agents their departments' rooms and their own. A department has rooms of their own
for colleagues' tickets and for groups' tickets, where only those are who may see such; together
they tell nobody of a ticket that `storage.ticket_lists.may_see` keeps from them. The newer frontends expect every
event of the company on a namespace of their own and filter in the browser; they are put into the
same permitted rooms at once instead.
"""

import re
from collections.abc import Iterator
from typing import Final

from api.principal import Principal
from api.realtime.channel import NUMBER, ROOT, WORKSPACE
from storage.ids import CompanyId, DepartmentId, TicketId, UserId
from storage.ticket_lists import SHARED, Placed

STATUSES: Final = ("open", "pending", "closed", "group", "bot", "chatbot", "nps", "lgpd")
SUPER: Final = "super"
BACKEND_LOG: Final = "backendlog"
OWNED: Final = "-owned"
GROUP: Final = "-group"
_NAMESPACE: Final = re.compile(r"/(workspace-)?([1-9][0-9]{0,17})", re.ASCII)


def parse_namespace(namespace: str) -> tuple[int, CompanyId | None] | None:
    """The dialect and the company a namespace stands for; None if there is no such namespace.

    `/` belongs to whatever company the token is of.
    """
    if namespace == "/":
        return ROOT, None
    found = _NAMESPACE.fullmatch(namespace)
    if found is None:
        return None
    return (WORKSPACE if found[1] else NUMBER), CompanyId(int(found[2]))


def mainchannel(company_id: CompanyId) -> str:
    """Everybody of the company."""
    return f"company-{company_id}-mainchannel"


def admins(company_id: CompanyId) -> str:
    """The company's admins."""
    return f"company-{company_id}-admin"


def agents(company_id: CompanyId) -> str:
    """Everybody of the company but its admins."""
    return f"company-{company_id}-agent"


def user(user_id: UserId) -> str:
    """One user's own room: all browsers of that user."""
    return f"user-{user_id}"


def ticket(ticket_id: TicketId) -> str:
    """Those who have this conversation open."""
    return str(ticket_id)


def company_status(company_id: CompanyId, status: str) -> str:
    """Admins looking at one list."""
    return f"company-{company_id}-{status}"


def company_notification(company_id: CompanyId) -> str:
    """Admins who want to be told of every message."""
    return f"company-{company_id}-notification"


def department_status(department_id: DepartmentId | None, status: str, kind: str = "") -> str:
    """Agents of a department (None: tickets without one) looking at one list."""
    return f"queue-{_department(department_id)}-{status}{kind}"


def department_notification(department_id: DepartmentId | None, kind: str = "") -> str:
    """Agents of a department (None: tickets without one) who want to be told."""
    return f"queue-{_department(department_id)}-notification{kind}"


def kind_of(ticket: Placed) -> str:
    """Which of its department's rooms hear of a ticket: who of them may see it."""
    owned = ticket.user_id is not None and ticket.status not in SHARED
    return (GROUP if ticket.is_group else "") + (OWNED if owned else "")


def _kinds(principal: Principal) -> Iterator[str]:
    for group in ("", GROUP) if principal.allow_group else ("",):
        yield group
        if principal.all_user_chat:
            yield group + OWNED


def _department(department_id: DepartmentId | None) -> str:
    return "null" if department_id is None else str(department_id)


def automatic_rooms(principal: Principal, dialect: int) -> tuple[str, ...]:
    """The rooms a socket is in from the start and cannot leave."""
    rooms = [mainchannel(principal.company_id), user(principal.user_id)]
    own = admins if principal.is_admin else agents
    rooms.append(own(principal.company_id))
    if principal.is_super:
        rooms.append(SUPER)
    if dialect != ROOT:
        rooms.extend(notification_rooms(principal))
        for status in STATUSES:
            rooms.extend(ticket_rooms(principal, status))
    return tuple(dict.fromkeys(rooms))


def notification_rooms(principal: Principal) -> tuple[str, ...]:
    """What `joinNotification` means for this principal."""
    if principal.is_admin:
        return (company_notification(principal.company_id),)
    return tuple(
        department_notification(department, kind)
        for department in _departments(principal)
        for kind in _kinds(principal)
    )


def ticket_rooms(principal: Principal, status: str) -> tuple[str, ...]:
    """What `joinTickets` with a status means; agents watch only the waiting ones that way."""
    if status not in STATUSES:
        return ()
    if principal.is_admin:
        return (company_status(principal.company_id, status),)
    if status != "pending":
        return ()
    return tuple(
        department_status(department, status, kind)
        for department in _departments(principal)
        for kind in _kinds(principal)
    )


def _departments(principal: Principal) -> tuple[DepartmentId | None, ...]:
    return (*principal.department_ids, None) if principal.all_ticket else principal.department_ids
