"""Texts with variables: what agents and settings write as {{name}} becomes the ticket's values.

Only the names below are replaced; anything else between braces stays as it was typed, so no text
can make a send fail.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from storage.contacts import Contact
from storage.ids import ConnectionId, DepartmentId, UserId
from storage.snapshots import CompanySnapshot
from storage.tickets import Ticket

_NAME: Final = re.compile(r"\{\{\s*([A-Za-z_]+)\s*\}\}")


class _Scene:
    """What the variables of one text speak of."""

    def __init__(
        self, ticket: Ticket, contact: Contact, snapshot: CompanySnapshot, now: datetime
    ) -> None:
        self.ticket = ticket
        self.contact = contact
        self.snapshot = snapshot
        self.now = now.astimezone(_zone(snapshot.company.timezone))

    @property
    def first_name(self) -> str:
        return self.contact.name.split(" ")[0] if self.contact.name else ""

    @property
    def greeting(self) -> str:
        hour = self.now.hour
        if 6 <= hour < 12:
            return "Bom dia"
        if 12 <= hour < 18:
            return "Boa tarde"
        return "Boa noite" if hour >= 18 else "Boa madrugada"

    @property
    def user(self) -> str:
        member = self.snapshot.users.get(self.ticket.user_id or UserId(0))
        return member.name if member else ""

    @property
    def department(self) -> str:
        found = self.snapshot.departments.get(self.ticket.department_id or DepartmentId(0))
        return found.name if found else ""

    @property
    def connection(self) -> str:
        found = self.snapshot.connections.get(self.ticket.connection_id or ConnectionId(0))
        return found.name if found else ""

    @property
    def protocol(self) -> str:
        return f"{self.now:%Y%m%d%M%S}{self.now.microsecond // 1000}{self.ticket.id}"


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


_VALUES: Final[dict[str, Callable[[_Scene], str]]] = {
    "firstname": lambda scene: scene.first_name,
    "name": lambda scene: scene.contact.name,
    "email": lambda scene: scene.contact.email,
    "ticket_id": lambda scene: str(scene.ticket.id),
    "ticket": lambda scene: str(scene.ticket.id),
    "username": lambda scene: scene.user,
    "user": lambda scene: scene.user,
    "ms": lambda scene: scene.greeting,
    "gretting": lambda scene: scene.greeting,
    "greeting": lambda scene: scene.greeting,
    "hour": lambda scene: f"{scene.now:%H:%M:%S}",
    "hora": lambda scene: f"{scene.now:%H:%M:%S}",
    "date": lambda scene: f"{scene.now:%d-%m-%Y}",
    "data_hora": lambda scene: f"{scene.now:%d-%m-%Y às %H:%M:%S}",
    "queue": lambda scene: scene.department,
    "fila": lambda scene: scene.department,
    "connection": lambda scene: scene.connection,
    "protocol": lambda scene: scene.protocol,
    "name_company": lambda scene: scene.snapshot.company.name,
}


def rendered(
    text: str, ticket: Ticket, contact: Contact, snapshot: CompanySnapshot, now: datetime
) -> str:
    """`text` with the known variables replaced, in the company's time zone."""
    if "{{" not in text:
        return text
    scene = _Scene(ticket, contact, snapshot, now)

    def value(match: re.Match[str]) -> str:
        found = _VALUES.get(match[1].lower())
        return match[0] if found is None else found(scene)

    return _NAME.sub(value, text)
