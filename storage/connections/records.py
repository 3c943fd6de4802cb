"""A connection, its secrets and what a person may change of it."""

from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType

from storage.ids import CompanyId, ConnectionId, DepartmentId


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """One number or page of a channel and how its conversations are handled.

    (channel, external_account_id) is unique over the installation: an inbound webhook belongs to
    one company. Secrets are in `ConnectionSecrets`; here are only digests to find the row by.
    """

    company_id: CompanyId
    id: ConnectionId
    name: str
    channel: str
    status: str
    qrcode: str
    number: str | None
    battery: str | None
    plugged: bool
    retries: int
    is_default: bool
    allow_group: bool
    group_as_ticket: bool
    color: str
    external_account_id: str | None
    waba_id: str | None
    api_version: str
    greeting_message: str
    greeting_media: str | None
    farewell_message: str
    closing_message: str
    out_of_hours_message: str
    rating_message: str
    inactive_message: str
    expires_inactive_message: str
    vacation_message: str
    vacation_start: str | None
    vacation_end: str | None
    schedules: list[dict[str, object]] | None
    max_menus: int
    menu_pause: int
    max_rating_prompts: int
    expires_ticket: int
    expires_rating: int
    expires_when: str
    inactive_after: int
    reopen_minutes: int
    send_department_after: int
    send_department_id: DepartmentId | None
    import_old_messages: datetime | None
    import_recent_messages: datetime | None
    import_status: str | None
    import_close_tickets: bool
    import_groups: bool
    import_department_id: DepartmentId | None
    integration_id: int | None
    prompt_id: int | None
    flow_id_not_phrase: int | None
    flow_id_welcome: int | None
    created_at: datetime
    updated_at: datetime
    version: int


class ConnectionSecrets(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What opens a channel or this connection's own doors; stored sealed, shown masked.

    `token` is the bearer of the external API, `webhook_token` the last part of the webhook URL,
    `telephony_token` (on the wire `wavoip`) opens the account of a voice provider.
    """

    token: str = ""
    webhook_token: str = ""
    verify_token: str = ""
    access_token: str = ""
    app_secret: str = ""
    session: str = ""
    facebook_user_id: str = ""
    facebook_user_token: str = ""
    facebook_page_id: str = ""
    meta_token: str = ""
    telephony_token: str = ""


class ConnectionPatch(msgspec.Struct, frozen=True, kw_only=True):
    """The fields a person may change; UNSET leaves a column alone."""

    name: str | UnsetType = UNSET
    channel: str | UnsetType = UNSET
    status: str | UnsetType = UNSET
    qrcode: str | UnsetType = UNSET
    number: str | UnsetType | None = UNSET
    is_default: bool | UnsetType = UNSET
    allow_group: bool | UnsetType = UNSET
    group_as_ticket: bool | UnsetType = UNSET
    color: str | UnsetType = UNSET
    external_account_id: str | UnsetType | None = UNSET
    waba_id: str | UnsetType | None = UNSET
    api_version: str | UnsetType = UNSET
    greeting_message: str | UnsetType = UNSET
    greeting_media: str | UnsetType | None = UNSET
    farewell_message: str | UnsetType = UNSET
    closing_message: str | UnsetType = UNSET
    out_of_hours_message: str | UnsetType = UNSET
    rating_message: str | UnsetType = UNSET
    inactive_message: str | UnsetType = UNSET
    expires_inactive_message: str | UnsetType = UNSET
    vacation_message: str | UnsetType = UNSET
    vacation_start: str | UnsetType | None = UNSET
    vacation_end: str | UnsetType | None = UNSET
    schedules: list[dict[str, object]] | UnsetType | None = UNSET
    max_menus: int | UnsetType = UNSET
    menu_pause: int | UnsetType = UNSET
    max_rating_prompts: int | UnsetType = UNSET
    expires_ticket: int | UnsetType = UNSET
    expires_rating: int | UnsetType = UNSET
    expires_when: str | UnsetType = UNSET
    inactive_after: int | UnsetType = UNSET
    reopen_minutes: int | UnsetType = UNSET
    send_department_after: int | UnsetType = UNSET
    send_department_id: DepartmentId | UnsetType | None = UNSET
    import_old_messages: datetime | UnsetType | None = UNSET
    import_recent_messages: datetime | UnsetType | None = UNSET
    import_close_tickets: bool | UnsetType = UNSET
    import_groups: bool | UnsetType = UNSET
    import_department_id: DepartmentId | UnsetType | None = UNSET
    integration_id: int | UnsetType | None = UNSET
    prompt_id: int | UnsetType | None = UNSET
    flow_id_not_phrase: int | UnsetType | None = UNSET
    flow_id_welcome: int | UnsetType | None = UNSET
    department_ids: tuple[DepartmentId, ...] | UnsetType = UNSET
