"""The wire noun `contact`."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
from msgspec import field

from storage.contacts import Contact, CustomField
from storage.ids import CompanyId, ConnectionId, ContactId, CustomFieldId, TagId, UserId
from storage.snapshots import CompanySnapshot
from storage.views.tags import TagBrief, tag_brief


class CustomFieldView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One free name and value of a contact."""

    id: CustomFieldId
    name: str
    value: str
    contact_id: ContactId


class WalletUserView(msgspec.Struct, frozen=True):
    """The user whose customer a contact is."""

    id: UserId
    name: str


class WalletView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The join of a contact and the user whose customer it is."""

    contact_id: ContactId
    wallet_id: UserId
    wallet: WalletUserView | None


class ContactView(msgspec.Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """A contact with its fields, tags and wallets."""

    id: ContactId
    name: str
    number: str
    email: str
    profile_pic_url: str
    url_picture: str
    is_group: bool
    disable_bot: bool
    accept_audio: bool = field(name="acceptAudioMessage")
    active: bool
    channel: str
    company_id: CompanyId
    remote_jid: str | None
    lgpd_accepted_at: datetime | None
    picture_updated: bool
    connection_id: ConnectionId | None = field(name="whatsappId")
    created_at: datetime
    updated_at: datetime
    extra_info: tuple[CustomFieldView, ...] = ()
    tags: tuple[TagBrief, ...] = ()
    contact_wallets: tuple[WalletView, ...] = ()


def contact_view(
    contact: Contact,
    snapshot: CompanySnapshot,
    *,
    tags: Iterable[TagId] = (),
    fields: Sequence[CustomField] = (),
    wallets: Iterable[UserId] = (),
) -> ContactView:
    """Show a contact; tags and users that the snapshot does not know are left out or unnamed."""
    urls = snapshot.urls
    return ContactView(
        id=contact.id,
        name=contact.name,
        number=contact.number,
        email=contact.email,
        profile_pic_url=contact.profile_pic_url or urls.blank,
        url_picture=urls.picture(contact.company_id, contact.picture_path),
        is_group=contact.is_group,
        disable_bot=contact.disable_bot,
        accept_audio=contact.accept_audio,
        active=contact.active,
        channel=contact.channel,
        company_id=contact.company_id,
        remote_jid=contact.remote_jid,
        lgpd_accepted_at=contact.lgpd_accepted_at,
        picture_updated=contact.picture_updated,
        connection_id=contact.connection_id,
        created_at=contact.created_at,
        updated_at=contact.updated_at,
        extra_info=tuple(_field_view(item) for item in fields),
        tags=tag_briefs(tags, snapshot),
        contact_wallets=tuple(_wallet(contact.id, user, snapshot) for user in wallets),
    )


def tag_briefs(tags: Iterable[TagId], snapshot: CompanySnapshot) -> tuple[TagBrief, ...]:
    """Show the tags that the company has, in the given order."""
    known = snapshot.tags
    return tuple(tag_brief(known[tag]) for tag in tags if tag in known)


def _field_view(item: CustomField) -> CustomFieldView:
    return CustomFieldView(id=item.id, name=item.name, value=item.value, contact_id=item.contact_id)


def _wallet(contact_id: ContactId, user_id: UserId, snapshot: CompanySnapshot) -> WalletView:
    user = snapshot.users.get(user_id)
    named = None if user is None else WalletUserView(user.id, user.name)
    return WalletView(contact_id=contact_id, wallet_id=user_id, wallet=named)
