"""The wire noun `message`."""

from datetime import datetime

import msgspec
from msgspec import field

from storage.contacts import Contact
from storage.ids import CompanyId, ContactId, DepartmentId, MessageId, TicketId, UserId
from storage.messages import Message
from storage.snapshots import CompanySnapshot


class AuthorView(msgspec.Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """What a bubble shows of the contact who wrote it."""

    id: ContactId
    name: str
    number: str
    url_picture: str
    is_group: bool


class MessageView(msgspec.Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """A message, whole, with its author and the message it quotes.

    As in the family, `contactId` and `contact` name the author and are null for our own messages.
    `seq` is the number of the event that created the message.
    """

    id: MessageId
    seq: int
    provider_id: str | None = field(name="wid")
    remote_jid: str | None
    participant: str | None
    data_json: str | None
    ack: int
    read: bool
    from_me: bool
    body: str
    media_url: str | None
    media_type: str
    media_name: str | None
    thumbnail_url: str | None
    is_deleted: bool
    is_private: bool
    is_edited: bool
    is_forwarded: bool
    quoted_id: MessageId | None = field(name="quotedMsgId")
    ticket_id: TicketId
    tracking_id: int | None = field(name="ticketTrakingId")
    contact_id: ContactId | None
    company_id: CompanyId
    department_id: DepartmentId | None = field(name="queueId")
    user_id: UserId | None
    error: dict[str, object] | None
    created_at: datetime
    updated_at: datetime
    contact: AuthorView | None = None
    quoted: "MessageView | None" = field(name="quotedMsg", default=None)


def message_view(
    message: Message,
    snapshot: CompanySnapshot,
    *,
    contact: Contact | None = None,
    quoted: Message | None = None,
    quoted_contact: Contact | None = None,
) -> MessageView:
    """Show a message; `contact` wrote it (or is the conversation's), `quoted` is what it answers.

    `quoted_contact` wrote that, where it is somebody else: in a group.
    """
    urls = snapshot.urls
    company_id = message.company_id
    author = None if message.from_me or contact is None else _author(contact, snapshot)
    return MessageView(
        id=message.id,
        seq=message.seq,
        provider_id=message.provider_id,
        remote_jid=message.remote_jid,
        participant=message.participant,
        data_json=None if message.data is None else msgspec.json.encode(message.data).decode(),
        ack=message.ack,
        read=message.read,
        from_me=message.from_me,
        body=message.body,
        media_url=urls.file(company_id, message.media_path),
        media_type=message.media_type,
        media_name=message.media_name,
        thumbnail_url=urls.file(company_id, message.thumbnail_path),
        is_deleted=message.is_deleted,
        is_private=message.is_private,
        is_edited=message.is_edited,
        is_forwarded=message.is_forwarded,
        quoted_id=message.quoted_id,
        ticket_id=message.ticket_id,
        tracking_id=message.tracking_id,
        contact_id=_author_id(message, author),
        company_id=company_id,
        department_id=message.department_id,
        user_id=message.user_id,
        error=message.error,
        created_at=message.created_at,
        updated_at=message.updated_at,
        contact=author,
        quoted=None
        if quoted is None
        else message_view(quoted, snapshot, contact=quoted_contact or contact),
    )


def _author_id(message: Message, author: AuthorView | None) -> ContactId | None:
    if message.from_me:
        return None
    return message.contact_id if author is None else author.id


def _author(contact: Contact, snapshot: CompanySnapshot) -> AuthorView:
    return AuthorView(
        id=contact.id,
        name=contact.name,
        number=contact.number,
        url_picture=snapshot.urls.picture(contact.company_id, contact.picture_path),
        is_group=contact.is_group,
    )
