"""Users: people who log in, with the departments they work for."""

from datetime import datetime
from typing import Final, Literal

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType

from storage import plans
from storage.companies import companies
from storage.database import Statements, Tx
from storage.errors import NotFound
from storage.ids import CompanyId, ConnectionId, DepartmentId, UserId
from storage.metadata import (
    at,
    belongs_to,
    company,
    flag,
    metadata,
    moment,
    number,
    of_company,
    optional,
    reference,
    refers_to,
    row_id,
    string,
)
from storage.repo import Links, Repo, assigned
from storage.search import by_name, contains
from storage.sql import prepared

Profile = Literal["admin", "user"]

users = sa.Table(
    "users",
    metadata,
    company(),
    row_id(),
    string("name"),
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("password_hash", sa.Text, nullable=False),
    number("token_version"),
    string("profile", "user"),
    flag("is_super"),
    optional("profile_image"),
    reference("connection_id"),
    flag("online"),
    moment("last_seen_at"),
    string("start_work", "00:00"),
    string("end_work", "23:59"),
    string("color"),
    string("farewell_message"),
    flag("all_ticket"),
    flag("all_historic"),
    flag("all_user_chat"),
    flag("allow_group"),
    flag("allow_real_time"),
    flag("allow_connections"),
    flag("close_pending_ticket", default=True),
    flag("show_dashboard"),
    string("default_theme", "light"),
    string("default_menu", "closed"),
    number("tickets_width", 550),
    at("created_at"),
    at("updated_at"),
    of_company(),
    refers_to("connection_id", "connections"),
    sa.CheckConstraint("profile in ('admin', 'user')", name="profile"),
    sa.Index("uq_users_email", sa.text("lower(email)"), unique=True),
)

user_departments = sa.Table(
    "user_departments",
    metadata,
    company(),
    sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("department_id", sa.BigInteger, primary_key=True, autoincrement=False),
    at("created_at"),
    belongs_to("user_id", "users"),
    belongs_to("department_id", "departments"),
    sa.Index(None, "company_id", "department_id"),
)


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person who logs in. The flags decide what an agent sees; admins see their company.

    `start_work` and `end_work` are HH:MM in the company's time zone; the password hash is kept
    out of this record (`Login`).
    """

    company_id: CompanyId
    id: UserId
    name: str
    email: str
    token_version: int
    profile: Profile
    is_super: bool
    profile_image: str | None
    connection_id: ConnectionId | None
    online: bool
    last_seen_at: datetime | None
    start_work: str
    end_work: str
    color: str
    farewell_message: str
    all_ticket: bool
    all_historic: bool
    all_user_chat: bool
    allow_group: bool
    allow_real_time: bool
    allow_connections: bool
    close_pending_ticket: bool
    show_dashboard: bool
    default_theme: str
    default_menu: str
    tickets_width: int
    created_at: datetime
    updated_at: datetime


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """What a password check needs, and nothing a reply may carry."""

    company_id: CompanyId
    id: UserId
    email: str
    password_hash: str
    token_version: int
    start_work: str
    end_work: str
    timezone: str
    company_status: bool
    due_date: datetime | None


class UserPatch(msgspec.Struct, frozen=True, kw_only=True):
    """The fields a person may change; UNSET leaves a column alone."""

    name: str | UnsetType = UNSET
    email: str | UnsetType = UNSET
    password_hash: str | UnsetType = UNSET
    token_version: int | UnsetType = UNSET
    profile: Profile | UnsetType = UNSET
    is_super: bool | UnsetType = UNSET
    profile_image: str | UnsetType | None = UNSET
    connection_id: ConnectionId | UnsetType | None = UNSET
    online: bool | UnsetType = UNSET
    last_seen_at: datetime | UnsetType | None = UNSET
    start_work: str | UnsetType = UNSET
    end_work: str | UnsetType = UNSET
    color: str | UnsetType = UNSET
    farewell_message: str | UnsetType = UNSET
    all_ticket: bool | UnsetType = UNSET
    all_historic: bool | UnsetType = UNSET
    all_user_chat: bool | UnsetType = UNSET
    allow_group: bool | UnsetType = UNSET
    allow_real_time: bool | UnsetType = UNSET
    allow_connections: bool | UnsetType = UNSET
    close_pending_ticket: bool | UnsetType = UNSET
    show_dashboard: bool | UnsetType = UNSET
    default_theme: str | UnsetType = UNSET
    default_menu: str | UnsetType = UNSET
    tickets_width: int | UnsetType = UNSET
    department_ids: tuple[DepartmentId, ...] | UnsetType = UNSET


class NewUser(msgspec.Struct, frozen=True, kw_only=True):
    """A person to let in; the password is a hash already, the departments are of the company."""

    name: str
    email: str
    password_hash: str
    profile: Profile = "user"
    is_super: bool = False
    department_ids: tuple[DepartmentId, ...] = ()


_repo: Final = Repo(users, User, by_name(users.c.name))
_departments: Final = Links(user_departments, "user_id", "department_id")
_OF_COMPANY: Final = ("timezone", "company_status", "due_date")
_LOGIN: Final = prepared(
    sa.select(
        *(users.c[name] for name in Login.__struct_fields__ if name not in _OF_COMPANY),
        companies.c.timezone,
        companies.c.status.label("company_status"),
        companies.c.due_date,
    )
    .join(companies, companies.c.id == users.c.company_id)
    .where(sa.func.lower(users.c.email) == sa.bindparam("address", type_=sa.Text))
)


async def login_by_email(source: Statements, email: str) -> Login | None:
    """Installation-wide: what logging in with this address needs, or None; case aside."""
    return await source.first(_LOGIN, into=Login, address=email.lower())


async def get(source: Statements, company_id: CompanyId, user_id: UserId) -> User:
    """One user. Raises NotFound."""
    return await _repo.get(source, company_id, user_id)


async def find(source: Statements, company_id: CompanyId, user_id: UserId) -> User | None:
    """One user, or None."""
    return await _repo.find(source, company_id, user_id)


async def page(
    source: Statements,
    company_id: CompanyId,
    *,
    search: str = "",
    number: int = 1,
    size: int = 20,
) -> tuple[list[User], int]:
    """One page by name of the users whose name or address contains `search`, and how many."""
    found = sa.or_(contains(users.c.name, search), contains(users.c.email, search))
    wanted = (found,) if search else ()
    return await _repo.page(source, company_id, *wanted, number=number, size=size)


async def department_ids(
    source: Statements, company_id: CompanyId, user_id: UserId
) -> tuple[DepartmentId, ...]:
    """The departments a user works for."""
    members = await _departments.of(source, company_id, user_id)
    return tuple(DepartmentId(member) for member in members)


async def create(
    tx: Tx, company_id: CompanyId, new: NewUser, more: UserPatch | None = None
) -> User:
    """Let somebody in, with what `more` sets besides.

    Raises UniqueViolation for a known address, Conflict for a department that is not there, and
    PlanLimit when the company's plan has no room.
    """
    await plans.make_room(tx, company_id, "users")
    return await create_first(tx, company_id, new, more)


async def create_first(
    tx: Tx, company_id: CompanyId, new: NewUser, more: UserPatch | None = None
) -> User:
    """Let a company's first admin in, who is there whatever the plan says; else as `create`."""
    values = assigned(new, "department_ids")
    if more is not None:
        values = assigned(more, "department_ids") | values
    user = await _repo.insert(tx, company_id, **values)
    await _departments.replace(tx, company_id, user.id, new.department_ids)
    return user


async def change(tx: Tx, company_id: CompanyId, user_id: UserId, patch: UserPatch) -> User:
    """Set what the patch sets. Raises NotFound, UniqueViolation, Conflict as `create` does."""
    user = await _repo.change(tx, company_id, user_id, assigned(patch))
    if patch.department_ids is not UNSET:
        await _departments.replace(tx, company_id, user_id, patch.department_ids)
    return user


async def delete(tx: Tx, company_id: CompanyId, user_id: UserId) -> None:
    """Delete a user with their login sessions; their tickets stay, unowned. Raises NotFound."""
    await _repo.delete(tx, company_id, user_id)


_FIRST_ADMIN: Final = prepared(
    sa.select(sa.func.min(users.c.id)).where(
        users.c.company_id == sa.bindparam("company", type_=sa.BigInteger),
        users.c.profile == "admin",
    )
)


async def first_admin(source: Statements, company_id: CompanyId) -> UserId:
    """The company's admin who is there longest. Raises NotFound when it has none."""
    found: int | None = await source.value(_FIRST_ADMIN, company=company_id)
    if found is None:
        raise NotFound
    return UserId(found)


_LOCK: Final = prepared(
    sa.select(companies.c.id)
    .where(companies.c.id == sa.bindparam("company", type_=sa.BigInteger))
    .with_for_update(key_share=True)
)
_OTHER_ADMINS: Final = prepared(
    sa.select(
        sa.exists().where(
            users.c.company_id == sa.bindparam("company", type_=sa.BigInteger),
            users.c.id != sa.bindparam("row", type_=sa.BigInteger),
            users.c.profile == "admin",
        )
    )
)


async def has_other_admins(tx: Tx, company_id: CompanyId, user_id: UserId) -> bool:
    """Whether the company has an admin besides this user; stays true until `tx` ends."""
    await tx.execute(_LOCK, company=company_id)
    return bool(await tx.value(_OTHER_ADMINS, company=company_id, row=user_id))


_EVERYBODY_OFFLINE: Final = prepared(
    sa.update(users).where(users.c.online).values(online=False, last_seen_at=sa.func.now())
)


async def everybody_offline(source: Statements) -> int:
    """Installation-wide: nobody is online when a process starts; returns how many were left so."""
    return await source.execute(_EVERYBODY_OFFLINE)
