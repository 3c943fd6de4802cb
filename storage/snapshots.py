"""A company's configuration as one immutable value, loaded in one round trip."""

from typing import Any, Final

import msgspec
import sqlalchemy as sa

from storage.companies import Company, companies
from storage.company_settings import CompanySettings, company_settings
from storage.connections import Connection, connection_departments, connections
from storage.database import Database
from storage.departments import Department, departments
from storage.errors import NotFound
from storage.ids import CompanyId, ConnectionId, DepartmentId, TagId, UserId
from storage.json_rows import document, row_of, rows_of
from storage.metadata import columns_of, wire_columns_of
from storage.plans import Features, plans
from storage.public_urls import NOWHERE, PublicUrls
from storage.settings import INSTALLATION, settings
from storage.sql import prepared
from storage.tags import Tag, tags
from storage.time_zones import zone
from storage.users import Profile, user_departments, users

GRACE: Final = "gracePeriod"
"""The installation's setting that every company's snapshot holds."""


HELD: Final = frozenset(("company", "company_settings", "department", "plan", "setting", "tag"))
"""The nouns whose rows a snapshot holds; connections and users have events of their own."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """What decisions and views need of a user."""

    id: UserId
    name: str
    email: str
    profile: Profile
    is_super: bool
    profile_image: str | None
    connection_id: ConnectionId | None
    online: bool
    farewell_message: str
    all_ticket: bool
    all_historic: bool
    all_user_chat: bool
    allow_group: bool
    close_pending_ticket: bool
    department_ids: tuple[DepartmentId, ...] = ()

    @property
    def is_admin(self) -> bool:
        """Admins (and super users) see and manage the whole company."""
        return self.is_super or self.profile == "admin"


class CompanySnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration that decisions and views of a company read; replaced whole, never changed.

    The maps must not be modified. `features` are the plan's; `grace_days`, how long after the due
    date the company may go on, and `urls`, which makes file addresses absolute, the installation's.
    """

    company: Company
    settings: CompanySettings
    departments: dict[DepartmentId, Department]
    connections: dict[ConnectionId, Connection]
    connection_departments: dict[ConnectionId, tuple[DepartmentId, ...]]
    users: dict[UserId, Member]
    tags: dict[TagId, Tag]
    features: Features = Features()
    grace_days: int = 0
    urls: PublicUrls = NOWHERE

    @property
    def company_id(self) -> CompanyId:
        """The company this is the configuration of."""
        return self.company.id

    @property
    def zone(self) -> str:
        """The name of the company's time zone, one that there is."""
        return zone(self.company.timezone).key

    def default_connection(self) -> Connection | None:
        """The connection for conversations that name none: the default one, else the first."""
        ordered = sorted(self.connections.values(), key=lambda item: (not item.is_default, item.id))
        return ordered[0] if ordered else None


class _Connected(Connection, frozen=True, kw_only=True):
    department_ids: tuple[DepartmentId, ...]


class _Loaded(msgspec.Struct):
    company: Company | None
    settings: CompanySettings | None
    departments: list[Department]
    connections: list[_Connected]
    users: list[Member]
    tags: list[Tag]
    features: Features | None
    grace: str | None


_MEMBER: Final = [name for name in Member.__struct_fields__ if name != "department_ids"]


def _department_ids(join: sa.Table, column: str, owner: sa.Table) -> sa.ColumnElement[object]:
    """Collect the departments joined to each row of `owner`, in the departments' order."""
    mine = (join.c.company_id == owner.c.company_id, join.c[column] == owner.c.id)
    ids = sa.select(join.c.department_id).where(*mine).order_by(join.c.department_id)
    return sa.func.array(ids.scalar_subquery()).label("department_ids")


def _statement() -> sa.Select[str]:
    company_id = sa.bindparam("company_id", type_=sa.BigInteger)

    def mine(table: sa.Table, *columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
        return sa.select(*columns).where(table.c.company_id == company_id).order_by(table.c.id)

    return document(
        company=row_of(
            sa.select(*columns_of(companies, Company)).where(companies.c.id == company_id)
        ),
        settings=row_of(
            sa.select(*columns_of(company_settings, CompanySettings)).where(
                company_settings.c.company_id == company_id
            )
        ),
        departments=rows_of(mine(departments, *columns_of(departments, Department))),
        connections=rows_of(
            mine(
                connections,
                *columns_of(connections, Connection),
                _department_ids(connection_departments, "connection_id", connections),
            )
        ),
        users=rows_of(
            mine(
                users,
                *(users.c[name] for name in _MEMBER),
                _department_ids(user_departments, "user_id", users),
            )
        ),
        tags=rows_of(mine(tags, *wire_columns_of(tags, Tag))),
        features=row_of(
            sa.select(*columns_of(plans, Features))
            .join(companies, companies.c.plan_id == plans.c.id)
            .where(companies.c.id == company_id)
        ),
        grace=sa.select(settings.c.value)
        .where(settings.c.company_id == INSTALLATION, settings.c.key == GRACE)
        .scalar_subquery(),
    )


_LOAD: Final = prepared(_statement())
_DECODER: Final = msgspec.json.Decoder(_Loaded)


async def load_snapshot(
    database: Database, company_id: CompanyId, *, urls: PublicUrls = NOWHERE
) -> CompanySnapshot:
    """Load a company's whole configuration in one statement, thus at one moment.

    Raises NotFound for an unknown company and DatabaseUnavailable.
    """
    loaded = _DECODER.decode(await database.value(_LOAD, company_id=company_id))
    if loaded.company is None or loaded.settings is None:
        message = f"company {company_id}"
        raise NotFound(message)
    return CompanySnapshot(
        company=loaded.company,
        settings=loaded.settings,
        departments={item.id: item for item in loaded.departments},
        connections={item.id: _plain(item) for item in loaded.connections},
        connection_departments={item.id: item.department_ids for item in loaded.connections},
        users={item.id: item for item in loaded.users},
        tags={item.id: item for item in loaded.tags},
        features=loaded.features or Features(),
        grace_days=_days(loaded.grace),
        urls=urls,
    )


def _days(text: str | None) -> int:
    """Read the grace period; what is no small number of days is none."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= 4 else 0


def _plain(connected: _Connected) -> Connection:
    values = msgspec.structs.asdict(connected)
    del values["department_ids"]
    return Connection(**values)
