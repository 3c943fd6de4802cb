"""The wire noun `user`."""

from collections.abc import Iterable
from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType, field

from storage.ids import CompanyId, ConnectionId, DepartmentId, UserId
from storage.snapshots import CompanySnapshot
from storage.users import User
from storage.views.companies import CompanyView
from storage.views.departments import DepartmentView, department_view
from storage.views.words import enable, enabled


class UserView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A user, whole, with queues (each with its join row).

    `company` and `token` appear in the login reply only.
    """

    id: UserId
    name: str
    email: str
    profile: str
    is_super: bool = field(name="super")
    company_id: CompanyId
    profile_image: str | None
    connection_id: ConnectionId | None = field(name="whatsappId")
    online: bool
    start_work: str
    end_work: str
    color: str
    farewell_message: str
    all_ticket: str
    all_historic: str
    all_user_chat: str
    allow_group: bool
    allow_real_time: str
    allow_connections: str
    close_pending_ticket: str = field(name="userClosePendingTicket")
    show_dashboard: str
    default_theme: str
    default_menu: str
    tickets_width: int = field(name="defaultTicketsManagerWidth")
    token_version: int
    last_seen_at: datetime | None = field(name="lastSeen")
    created_at: datetime
    updated_at: datetime
    departments: tuple[DepartmentView, ...] = field(name="queues")
    company: CompanyView | UnsetType = UNSET
    token: str | UnsetType = UNSET


def user_view(
    user: User,
    department_ids: Iterable[DepartmentId],
    snapshot: CompanySnapshot,
    *,
    company: CompanyView | UnsetType = UNSET,
    token: str | UnsetType = UNSET,
) -> UserView:
    """Show a user of the snapshot's company."""
    known = snapshot.departments
    return UserView(
        id=user.id,
        name=user.name,
        email=user.email,
        profile=user.profile,
        is_super=user.is_super,
        company_id=user.company_id,
        profile_image=user.profile_image,
        connection_id=user.connection_id,
        online=user.online,
        start_work=user.start_work,
        end_work=user.end_work,
        color=user.color,
        farewell_message=user.farewell_message,
        all_ticket=enable(user.all_ticket),
        all_historic=enabled(user.all_historic),
        all_user_chat=enabled(user.all_user_chat),
        allow_group=user.allow_group,
        allow_real_time=enable(user.allow_real_time),
        allow_connections=enable(user.allow_connections),
        close_pending_ticket=enabled(user.close_pending_ticket),
        show_dashboard=enabled(user.show_dashboard),
        default_theme=user.default_theme,
        default_menu=user.default_menu,
        tickets_width=user.tickets_width,
        token_version=user.token_version,
        last_seen_at=user.last_seen_at,
        created_at=user.created_at,
        updated_at=user.updated_at,
        departments=tuple(
            department_view(known[department], user_id=user.id)
            for department in department_ids
            if department in known
        ),
        company=company,
        token=token,
    )
