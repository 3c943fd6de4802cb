"""The plain configuration and rows that tests about actors share."""

from datetime import UTC, datetime

import msgspec

from storage.companies import Company
from storage.company_settings import CompanySettings
from storage.connections import Connection
from storage.contacts import Contact
from storage.departments import Department
from storage.ids import CompanyId, ConnectionId, ContactId, DepartmentId, UserId
from storage.snapshots import CompanySnapshot, Member

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
COMPANY = CompanyId(1)
LINE = ConnectionId(11)
OTHER_LINE = ConnectionId(12)
ANN, BOB = UserId(1001), UserId(1002)
SALES, SUPPORT = DepartmentId(101), DepartmentId(102)
ACTIVE = "uq_tickets_active"
FIRST_CONTACT = ContactId(1)


def record(kind: type, **fields: object) -> object:
    """A record with plain values for what is not given."""
    plain: dict[str, object] = {"created_at": NOW, "updated_at": NOW}
    for field in msgspec.structs.fields(kind):
        if field.name in fields or not field.required or field.name in plain:
            continue
        text = str(field.type)
        if "None" in text or "Optional" in text:
            plain[field.name] = None
        elif field.type is bool:
            plain[field.name] = False
        elif field.type is int:
            plain[field.name] = 0
        elif field.type is str:
            plain[field.name] = ""
    names = {field.name for field in msgspec.structs.fields(kind)}
    given = {**plain, **fields}
    return kind(**{name: value for name, value in given.items() if name in names})


def connection(connection_id: ConnectionId = LINE, **fields: object) -> Connection:
    values = {"channel": "simulator", "status": "CONNECTED", "version": 1, **fields}
    return record(
        Connection, company_id=COMPANY, id=connection_id, name=f"c{connection_id}", **values
    )


def snapshot(**fields: object) -> CompanySnapshot:
    """The configuration of a company with two departments, two agents and two connections."""
    plain = {
        "company": record(Company, id=COMPANY, name="One", timezone="UTC", status=True),
        "settings": CompanySettings(company_id=COMPANY, created_at=NOW, updated_at=NOW),
        "departments": {
            SALES: record(Department, company_id=COMPANY, id=SALES, name="Sales", color="#1"),
            SUPPORT: record(Department, company_id=COMPANY, id=SUPPORT, name="Support", color="#2"),
        },
        "connections": {
            LINE: connection(LINE, is_default=True, closing_message="Bye {{firstName}}"),
            OTHER_LINE: connection(OTHER_LINE),
        },
        "connection_departments": {},
        "users": {
            ANN: record(Member, id=ANN, name="Ann", email="ann@x", profile="admin"),
            BOB: record(Member, id=BOB, name="Bob", email="bob@x", profile="user"),
        },
        "tags": {},
    }
    return CompanySnapshot(**{**plain, **fields})


class Snapshots:
    """One configuration for everybody; `current` can be exchanged."""

    def __init__(self, value: CompanySnapshot | None = None) -> None:
        self.value = value or snapshot()

    def peek(self, company_id: CompanyId) -> CompanySnapshot | None:
        return self.value

    async def current(self, company_id: CompanyId) -> CompanySnapshot:
        return self.value


def contact(contact_id: ContactId = FIRST_CONTACT, **fields: object) -> Contact:
    values = {"name": "Zoe Q", "number": "5511", **fields}
    return Contact(company_id=COMPANY, id=contact_id, created_at=NOW, updated_at=NOW, **values)
