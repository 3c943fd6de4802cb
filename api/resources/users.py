"""Users: the people of a company who log in."""

import re
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, field

from actors.events import UserChanged, UserRemoved
from api.endpoint import Ctx, Int, Named, Page, Routes, Short, Upload, admin
from api.endpoint.uploads import stored
from api.errors import Detail, Forbidden, Invalid
from api.resources.api_tokens import tell
from storage import api_tokens, credentials, refresh_families, users
from storage.database import Tx
from storage.errors import NotFound
from storage.ids import DepartmentId, UserId
from storage.users import NewUser, User, UserPatch
from storage.views import UserView, user_view

routes = Routes("/users", tag="users", missing="ERR_NO_USER_FOUND")


class UserQuery(msgspec.Struct, kw_only=True, rename="camel"):
    """Part of a name or address, and which page."""

    search_param: Short = ""
    page_number: Page = 1


class UserPage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of users by name."""

    users: list[UserView]
    count: int
    has_more: bool


class UserBrief(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A user for choosing one."""

    id: UserId
    name: str
    email: str
    profile: str
    online: bool
    department_ids: tuple[DepartmentId, ...] = field(name="queueIds")


class Removed(msgspec.Struct, frozen=True):
    """A deletion's answer."""

    message: str = "User deleted"


_HIDDEN = (
    "password_hash",
    "token_version",
    "is_super",
    "online",
    "last_seen_at",
    "profile_image",  # the key of an uploaded file, nothing that a client names
)


class Change(UserPatch, frozen=True, kw_only=True):
    """What may be changed of a user, the password in clear (it is stored as a hash)."""

    password: str = ""


Body = Annotated[Change, Named(UserView, hidden=_HIDDEN, department_ids="queueIds")]


@routes.get()
async def list_users(ctx: Ctx, query: UserQuery) -> UserPage:
    """List the company's users by name."""
    found, count = await users.page(
        ctx.parts.database,
        ctx.company_id,
        search=query.search_param.strip(),
        number=query.page_number,
    )
    shown = [await _shown(ctx, user) for user in found]
    more = count > (query.page_number - 1) * 20 + len(shown)
    return UserPage(users=shown, count=count, has_more=more)


@routes.get("/list")
async def list_names(ctx: Ctx) -> list[UserBrief]:
    """List every user briefly, for choosing one."""
    snapshot = await ctx.parts.snapshots.current(ctx.company_id)
    return [
        UserBrief(
            id=member.id,
            name=member.name,
            email=member.email,
            profile=member.profile,
            online=member.online,
            department_ids=member.department_ids,
        )
        for member in sorted(snapshot.users.values(), key=lambda member: member.name.lower())
    ]


@routes.get("/{user_id}")
async def show(ctx: Ctx, user_id: UserId) -> UserView:
    """Show a user of the company."""
    user = await users.find(ctx.parts.database, ctx.company_id, user_id)
    if user is None:
        raise NotFound
    return await _shown(ctx, user)


@routes.post(guard=admin, limit="users")
async def create(ctx: Ctx, body: Body) -> UserView:
    """Let a person in, with the rights the form gives."""
    for place, value in (("$.name", body.name), ("$.email", body.email)):
        if value is UNSET or not value.strip():
            raise Invalid(Detail(place, "missing"))
    patch, password = _patch(body)
    _check_account(str(patch.email), password)
    departments = () if patch.department_ids is UNSET else patch.department_ids
    new = NewUser(
        name=str(patch.name),
        email=str(patch.email),
        password_hash=await ctx.parts.auth.passwords.hash(password, ctx.request.client),
        profile="user" if patch.profile is UNSET else patch.profile,
        department_ids=departments,
    )
    await ctx.snapshot()  # before the transaction: the view then needs no second connection
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        user = await users.create(tx, ctx.company_id, new, patch)
        shown = await _shown(ctx, user, new.department_ids)
        tx.publish(UserChanged(company_id=ctx.company_id, user=shown, created=True))
        ctx.settle(tx, shown)
    return shown


@routes.put("/{user_id}")
async def update(ctx: Ctx, user_id: UserId, body: Body) -> UserView:
    """Change a user: admins everything, others their own name, password, colours and texts."""
    if not ctx.principal.is_admin:
        if user_id != ctx.user_id:
            raise Forbidden
        body = _own_fields(body)
    if body.email is not UNSET:
        check_email(body.email)
    patch, password = _patch(body)
    if password:
        check_password(password)
        patch = msgspec.structs.replace(
            patch, password_hash=await ctx.parts.auth.passwords.hash(password, ctx.request.client)
        )
    await check_rank(ctx, user_id)
    await ctx.snapshot()  # before the transaction: the view then needs no second connection
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        if patch.profile == "user":
            await _check_others(tx, ctx, user_id)
        keep = _kept(ctx, user_id)
        changed = await credentials.change(tx, ctx.company_id, user_id, patch, keep=keep)
        shown = await tell_changed(tx, ctx, changed.user)
    ctx.parts.auth.bearers.ended(changed.ended)
    return shown


@routes.delete("/{user_id}", guard=admin)
async def remove(ctx: Ctx, user_id: UserId) -> Removed:
    """Delete a user with their sessions and programs' tokens; tickets stay, without an agent."""
    if user_id == ctx.user_id:
        raise Invalid(Detail("$", "nobody deletes the own account"))
    await check_rank(ctx, user_id)
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        await _check_others(tx, ctx, user_id)
        ended = await refresh_families.revoke_user(tx, ctx.company_id, user_id, "deleted")
        for token_id in await api_tokens.delete_of(tx, ctx.company_id, user_id):
            tell(tx, "delete", token_id)
        await users.delete(tx, ctx.company_id, user_id)
        tx.publish(UserRemoved(company_id=ctx.company_id, user_id=user_id))
    ctx.parts.auth.bearers.ended(ended)
    return Removed()


class Width(msgspec.Struct, kw_only=True):
    """The width of the ticket list in pixels."""

    width: Int = field(name="defaultTicketsManagerWidth", default=550)


class Pictured(msgspec.Struct, frozen=True):
    """A user with a new picture."""

    user: UserView
    message: str = "Image updated"


@routes.put("/toggleChangeWidht/{user_id}")
async def set_width(ctx: Ctx, user_id: UserId, body: Width) -> UserView:
    """Keep how wide a user drew the ticket list; one's own, or any as an admin."""
    await _check_mine(ctx, user_id)
    return await _set(ctx, user_id, UserPatch(tickets_width=min(max(body.width, 0), 10_000)))


@routes.post("/{user_id}/media-upload", files=1)
async def set_picture(ctx: Ctx, user_id: UserId, uploads: tuple[Upload, ...]) -> Pictured:
    """Set a user's picture; one's own, or any as an admin."""
    await _check_mine(ctx, user_id)
    kept = await stored(ctx, uploads)
    return Pictured(await _set(ctx, user_id, UserPatch(profile_image=kept["media_path"])))


async def _check_others(tx: Tx, ctx: Ctx, user_id: UserId) -> None:
    """Raises Invalid when the company would be left without an admin."""
    if not await users.has_other_admins(tx, ctx.company_id, user_id):
        raise Invalid(Detail("$.profile", "the company's only admin"))


async def _check_mine(ctx: Ctx, user_id: UserId) -> None:
    """Raises NotFound, and Forbidden for the account of somebody else whom the caller is not over."""
    if user_id == ctx.user_id:
        return
    if not ctx.principal.is_admin:
        raise Forbidden
    await check_rank(ctx, user_id)


async def check_rank(ctx: Ctx, user_id: UserId) -> None:
    """Raises NotFound, and Forbidden for an operator's account: only operators touch those."""
    found = await users.get(ctx.parts.database, ctx.company_id, user_id)
    if found.is_super and not ctx.principal.is_super:
        raise Forbidden


async def _set(ctx: Ctx, user_id: UserId, patch: UserPatch) -> UserView:
    await ctx.snapshot()  # before the transaction: the view then needs no second connection
    async with ctx.parts.database.begin(ctx.company_id) as tx:
        return await tell_changed(tx, ctx, await users.change(tx, ctx.company_id, user_id, patch))


async def tell_changed(tx: Tx, ctx: Ctx, user: User) -> UserView:
    """The changed user as it is shown, told to whoever must know."""
    departments = await users.department_ids(tx, ctx.company_id, user.id)
    shown = await _shown(ctx, user, departments)
    tx.publish(UserChanged(company_id=ctx.company_id, user=shown))
    return shown


_OWN = frozenset(
    {
        "name",
        "password",
        "color",
        "farewell_message",
        "default_theme",
        "default_menu",
        "tickets_width",
    }
)


def _own_fields(body: Change) -> Change:
    """What a user may change of their own account; the rest is ignored."""
    given = msgspec.structs.asdict(body)
    return Change(**{name: value for name, value in given.items() if name in _OWN})


def _patch(body: Change) -> tuple[UserPatch, str]:
    values = msgspec.structs.asdict(body)
    password = values.pop("password")
    if isinstance(values["email"], str):
        values["email"] = values["email"].strip().lower()
    return UserPatch(**values), password


def check_password(password: str) -> None:
    """Raises Invalid for a password that is too short."""
    if len(password) < 5:
        raise Invalid(Detail("$.password", "at least 5 characters"))


_ATOM: Final = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_ADDRESS: Final = re.compile(
    rf"{_ATOM}(\.{_ATOM})*@{_LABEL}(\.{_LABEL})*", re.ASCII | re.IGNORECASE
)


def check_email(email: str) -> None:
    """Raises Invalid for what no mail server takes as an address (RFC 5321, 4.1.2).

    Quoted names, addresses in brackets and letters beyond ASCII are legal in places, but neither
    every server nor the standard library posts to them.
    """
    text = email.strip()
    if len(text) > 254 or not _ADDRESS.fullmatch(text):
        raise Invalid(Detail("$.email", "not an address"))


def _check_account(email: str, password: str) -> None:
    check_email(email)
    check_password(password)


def _kept(ctx: Ctx, user_id: UserId) -> str:
    """The session that goes on after a new password: the caller's own."""
    return ctx.principal.family if user_id == ctx.user_id else ""


async def _shown(
    ctx: Ctx, user: User, departments: tuple[DepartmentId, ...] | None = None
) -> UserView:
    snapshot = await ctx.snapshot()
    if departments is None:
        member = snapshot.users.get(user.id)
        departments = member.department_ids if member else ()
    return user_view(user, departments, snapshot)
