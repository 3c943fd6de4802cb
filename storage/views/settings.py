"""The wire nouns `setting` and `companySettings`, with the family's names of each setting."""

from datetime import datetime
from typing import Final

import msgspec
from msgspec import field

from storage.company_settings import CompanySettings
from storage.ids import CompanyId, SettingId
from storage.secrets import mask
from storage.setting_keys import known
from storage.settings import Setting
from storage.views.words import enabled


class SettingView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One key and its text."""

    id: SettingId
    key: str
    value: str
    company_id: CompanyId
    created_at: datetime
    updated_at: datetime


class CompanySettingsView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A company's settings as the family's columns: texts `enabled`/`disabled` and three bools."""

    id: CompanyId
    company_id: CompanyId
    close_after_hours: str = field(name="hoursCloseTicketsAuto")
    menu_style: str = field(name="chatBotType")
    accept_calls: str = field(name="acceptCallWhatsapp")
    calls_message: str = field(name="AcceptCallWhatsappMessage")
    random_user: str = field(name="userRandom")
    greet_single_department: str = field(name="sendGreetingMessageOneQueues")
    sign_messages: str = field(name="sendSignMessage")
    farewell_waiting: str = field(name="sendFarewellWaitingTicket")
    rate_agents: str = field(name="userRating")
    greet_accepted: str = field(name="sendGreetingAccepted")
    accepted_message: str = field(name="greetingAcceptedMessage")
    ignore_groups: str = field(name="CheckMsgIsGroup")
    tell_position: str = field(name="sendQueuePosition")
    position_message: str = field(name="sendQueuePositionMessage")
    hours_scope: str = field(name="scheduleType")
    accept_audio: str = field(name="acceptAudioMessageContact")
    tell_transfer: str = field(name="sendMsgTransfTicket")
    transfer_message: str
    close_on_transfer: bool = field(name="closeTicketOnTransfer")
    wallets_own_tickets: bool = field(name="DirectTicketsToWallets")
    notify_pending: bool = field(name="showNotificationPending")
    require_tag: str = field(name="requiredTag")
    lgpd_enabled: str = field(name="enableLGPD")
    lgpd_hide_deleted: str = field(name="lgpdDeleteMessage")
    lgpd_hide_number: str
    lgpd_ask_always: str = field(name="lgpdConsent")
    lgpd_link: str
    lgpd_message: str
    created_at: datetime
    updated_at: datetime


COMPANY_SETTING_FIELDS: Final[dict[str, str]] = {
    item.encode_name: item.name
    for item in msgspec.structs.fields(CompanySettingsView)
    if item.name not in ("id", "company_id", "created_at", "updated_at")
}
"""The family's column name of each company setting -> ours; what a person may change."""

_FLAG_TEXTS: Final = tuple(
    item.name
    for item in msgspec.structs.fields(CompanySettingsView)
    if item.type is str and CompanySettings.__annotations__.get(item.name) is bool
)


SET: Final = mask("set")
"""What is shown of a secret that is set; it changes nothing when a form sends it back."""


def setting_view(setting: Setting) -> SettingView:
    """Show a key and its text; of a secret, only whether it is set."""
    hidden = bool(setting.value) and known(setting.key).secret
    return SettingView(
        id=setting.id,
        key=setting.key,
        value=SET if hidden else setting.value,
        company_id=setting.company_id,
        created_at=setting.created_at,
        updated_at=setting.updated_at,
    )


def company_settings_view(settings: CompanySettings) -> CompanySettingsView:
    """Show a company's settings under the family's names and words."""
    values = msgspec.structs.asdict(settings)
    del values["version"]
    for name in _FLAG_TEXTS:
        values[name] = enabled(values[name])
    return CompanySettingsView(id=settings.company_id, **values)
