"""Views carry the family's names, words and addresses; secrets stay behind."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from storage.companies import Company
from storage.company_settings import CompanySettings
from storage.connections import Connection, ConnectionSecrets
from storage.contacts import Contact, CustomField
from storage.departments import Department
from storage.ids import (
    CompanyId,
    ConnectionId,
    ContactId,
    CustomFieldId,
    DepartmentId,
    MessageId,
    TagId,
    TicketId,
    UserId,
)
from storage.messages import Message
from storage.public_urls import PublicUrls
from storage.snapshots import CompanySnapshot, Member
from storage.tags import Tag
from storage.tickets import Ticket
from storage.users import User
from storage.views import (
    COMPANY_SETTING_FIELDS,
    company_settings_view,
    company_view,
    connection_view,
    contact_view,
    department_view,
    message_view,
    ticket_view,
    user_view,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
AT = "2026-11-24T12:00:00Z"
COMPANY = CompanyId(3)
TIMES = {"created_at": NOW, "updated_at": NOW}


def _filled(record: type[Any], **values: object) -> Any:
    """A record with the given fields; required ones get an empty value of their type."""
    empty = {str: "", int: 0, bool: False, datetime: NOW}
    for field in msgspec.structs.fields(record):
        if field.required and field.name not in values:
            kind = getattr(field.type, "__supertype__", field.type)
            values[field.name] = empty.get(kind)
    return record(**values)


SUPPORT = _filled(Department, company_id=COMPANY, id=DepartmentId(5), name="Support", color="#123")
MAIN = _filled(
    Connection,
    company_id=COMPANY,
    id=ConnectionId(6),
    name="Main",
    channel="whatsapp_cloud",
    status="CONNECTED",
    qrcode="2@qr",
    external_account_id="1055",
    waba_id="99",
    menu_pause=15,
)
BEA = Member(
    id=UserId(7),
    name="Bea",
    email="b@x",
    profile="user",
    is_super=False,
    profile_image=None,
    connection_id=None,
    online=True,
    farewell_message="",
    all_ticket=False,
    all_historic=False,
    all_user_chat=False,
    allow_group=False,
    close_pending_ticket=True,
)
VIP = _filled(Tag, company_id=COMPANY, id=TagId(8), name="VIP", color="#fff", kanban=1)
SNAPSHOT = CompanySnapshot(
    company=_filled(Company, id=COMPANY, name="Acme"),
    settings=CompanySettings(company_id=COMPANY, **TIMES),
    departments={SUPPORT.id: SUPPORT},
    connections={MAIN.id: MAIN},
    connection_departments={MAIN.id: (SUPPORT.id,)},
    users={BEA.id: BEA},
    tags={VIP.id: VIP},
    urls=PublicUrls("https://api.test", "https://app.test"),
)
JOSE = Contact(
    company_id=COMPANY, id=ContactId(9), name="José", number="5511", picture_path="9.jpeg", **TIMES
)
TICKET = Ticket(
    company_id=COMPANY,
    id=TicketId(10),
    uuid="u-u-i-d",
    status="open",
    contact_id=JOSE.id,
    connection_id=MAIN.id,
    department_id=SUPPORT.id,
    user_id=BEA.id,
    **TIMES,
)


def _wire(view: msgspec.Struct) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(view))
    return decoded


def test_a_ticket_has_the_familys_columns_and_everything_nested() -> None:
    wire = _wire(ticket_view(TICKET, JOSE, (VIP.id, TagId(404)), SNAPSHOT))
    assert set(wire) == set(
        [
            "id",
            "uuid",
            "status",
            "unreadMessages",
            "lastMessage",
            "isGroup",
            "userId",
            "contactId",
            "whatsappId",
            "queueId",
            "companyId",
            "isBot",
            "channel",
            "amountUsedBotQueues",
            "amountUsedBotQueuesNPS",
            "fromMe",
            "sendInactiveMessage",
            "lgpdSendMessageAt",
            "lgpdAcceptedAt",
            "imported",
            "isOutOfHour",
            "useIntegration",
            "integrationId",
            "isActiveDemand",
            "typebotSessionId",
            "typebotStatus",
            "typebotSessionTime",
            "flowWebhook",
            "lastFlowId",
            "hashFlowId",
            "flowStopped",
            "dataWebhook",
            "createdAt",
            "updatedAt",
            "contact",
            "queue",
            "user",
            "whatsapp",
            "tags",
            "company",
        ]
    )
    assert wire["queue"] == {"id": 5, "name": "Support", "color": "#123"}
    assert wire["user"] == {"id": 7, "name": "Bea"}
    assert wire["tags"] == [{"id": 8, "name": "VIP", "color": "#fff", "kanban": 1}]
    assert wire["company"] == {"id": 3, "name": "Acme"}
    assert wire["whatsapp"]["channel"] == "whatsapp"
    assert wire["whatsapp"]["groupAsTicket"] == "disabled"
    assert (wire["queueId"], wire["whatsappId"], wire["createdAt"]) == (5, 6, AT)
    assert wire["contact"] == _wire(contact_view(JOSE, SNAPSHOT))


def test_what_a_ticket_has_lost_is_null() -> None:
    lost = msgspec.structs.replace(TICKET, user_id=UserId(404), department_id=None)
    lost = msgspec.structs.replace(lost, connection_id=None)
    wire = _wire(ticket_view(lost, JOSE, (), SNAPSHOT))
    assert (wire["user"], wire["queue"], wire["whatsapp"], wire["tags"]) == (None, None, None, [])


def test_a_contact_has_pictures_fields_tags_and_wallets() -> None:
    field = CustomField(
        company_id=COMPANY,
        id=CustomFieldId(1),
        contact_id=JOSE.id,
        name="CPF",
        value="1",
        **TIMES,
    )
    wire = _wire(
        contact_view(JOSE, SNAPSHOT, tags=(VIP.id,), fields=(field,), wallets=(BEA.id, UserId(404)))
    )
    assert wire["urlPicture"] == "https://api.test/public/company3/contacts/9.jpeg"
    assert wire["profilePicUrl"] == "https://app.test/nopicture.png"
    assert wire["extraInfo"] == [{"id": 1, "name": "CPF", "value": "1", "contactId": 9}]
    assert [tag["name"] for tag in wire["tags"]] == ["VIP"]
    assert wire["contactWallets"] == [
        {"contactId": 9, "walletId": 7, "wallet": {"id": 7, "name": "Bea"}},
        {"contactId": 9, "walletId": 404, "wallet": None},
    ]
    assert {"acceptAudioMessage", "whatsappId", "disableBot", "lgpdAcceptedAt"} <= set(wire)
    bare = msgspec.structs.replace(JOSE, picture_path=None)
    assert _wire(contact_view(bare, SNAPSHOT))["urlPicture"] == "https://app.test/nopicture.png"


def _message(**values: Any) -> Message:
    fixed = {
        "company_id": COMPANY,
        "id": MessageId(11),
        "ticket_id": TICKET.id,
        "contact_id": JOSE.id,
        "provider_id": "wamid.1",
    }
    return Message(**(fixed | TIMES | values))


def test_a_message_names_its_author_and_media() -> None:
    quoted = _message(id=MessageId(12), body="before")
    message = _message(
        seq=4, media_path="a b.jpg", media_type="image", data={"k": 1}, quoted_id=quoted.id
    )
    wire = _wire(message_view(message, SNAPSHOT, contact=JOSE, quoted=quoted))
    assert (wire["wid"], wire["seq"], wire["dataJson"]) == ("wamid.1", 4, '{"k":1}')
    assert wire["mediaUrl"] == "https://api.test/public/company3/a b.jpg"
    assert (wire["contactId"], wire["contact"]["name"]) == (9, "José")
    assert (wire["quotedMsgId"], wire["quotedMsg"]["body"]) == (12, "before")
    assert wire["quotedMsg"]["contact"]["id"] == 9
    assert {"ticketTrakingId", "isDeleted", "isEdited", "isPrivate", "isForwarded"} <= set(wire)
    assert {"ack", "read", "remoteJid", "participant", "queueId", "thumbnailUrl"} <= set(wire)


def test_our_own_message_has_no_author_and_an_address_stays() -> None:
    message = _message(from_me=True, media_path="https://cdn.test/x.png")
    wire = _wire(message_view(message, SNAPSHOT, contact=JOSE))
    assert (wire["contactId"], wire["contact"], wire["quotedMsg"]) == (None, None, None)
    assert wire["mediaUrl"] == "https://cdn.test/x.png"


def _user(**values: object) -> User:
    user: User = _filled(User, company_id=COMPANY, id=BEA.id, name="Bea", profile="user", **values)
    return user


def test_a_user_has_the_familys_words_and_join_rows() -> None:
    wire = _wire(user_view(_user(all_historic=True), (SUPPORT.id, DepartmentId(404)), SNAPSHOT))
    assert (wire["allTicket"], wire["allowRealTime"]) == ("disable", "disable")
    assert (wire["allHistoric"], wire["allUserChat"]) == ("enabled", "disabled")
    assert [queue["UserQueue"] for queue in wire["queues"]] == [{"userId": 7, "queueId": 5}]
    assert wire["super"] is False
    assert {"defaultTicketsManagerWidth", "userClosePendingTicket", "whatsappId"} <= set(wire)
    assert not {"company", "token"} & set(wire)
    assert not [name for name in wire if "password" in name.lower()]


def test_a_login_reply_carries_both_spellings_of_the_settings() -> None:
    company = company_view(SNAPSHOT.company, company_settings=SNAPSHOT.settings)
    wire = _wire(user_view(_user(), (), SNAPSHOT, company=company, token="t"))
    assert wire["token"] == "t"
    assert {"settings", "companieSettings", "dueDate", "planId", "plan"} <= set(wire["company"])
    assert wire["company"]["companieSettings"][0]["userRating"] == "disabled"


def test_company_settings_have_the_familys_names_and_words() -> None:
    wire = _wire(company_settings_view(SNAPSHOT.settings))
    assert wire["CheckMsgIsGroup"] == wire["acceptCallWhatsapp"] == "enabled"
    assert wire["enableLGPD"] == wire["requiredTag"] == "disabled"
    assert wire["DirectTicketsToWallets"] is wire["closeTicketOnTransfer"] is False
    assert (wire["chatBotType"], wire["scheduleType"]) == ("text", "disabled")
    assert wire["hoursCloseTicketsAuto"] == "9999999999"
    assert set(COMPANY_SETTING_FIELDS) == set(wire) - {"id", "companyId", "createdAt", "updatedAt"}
    assert set(COMPANY_SETTING_FIELDS.values()) <= set(CompanySettings.__struct_fields__)


def test_a_connection_shows_its_secrets_to_nobody_and_its_qr_code_to_managers() -> None:
    secrets = ConnectionSecrets(token="0123456789abcdefWXYZ", access_token="EAAB" * 9)
    agent = _wire(connection_view(MAIN, SNAPSHOT, secrets=secrets))
    manager = _wire(connection_view(MAIN, SNAPSHOT, manager=True, secrets=secrets))
    assert (agent["qrcode"], agent["token"], agent["send_token"]) == ("", "", "")
    assert manager["qrcode"] == "2@qr"
    assert manager["token"] == "••••••••WXYZ"
    assert manager["send_token"] == "••••••••EAAB"
    assert "0123456789" not in str(manager)
    assert (manager["channel"], manager["channelType"]) == ("whatsapp", "official")
    assert (manager["phone_number_id"], manager["waba_id"]) == ("1055", "99")
    assert (manager["timeUseBotQueues"], manager["session"]) == ("15", "")
    assert manager["queues"][0]["WhatsappQueue"] == {"whatsappId": 6, "queueId": 5}
    assert {
        "complationMessage",
        "maxUseBotQueues",
        "maxUseBotQueuesNPS",
        "expiresTicketNPS",
        "whenExpiresTicket",
        "timeInactiveMessage",
        "timeSendQueue",
        "sendIdQueue",
        "timeCreateNewTicket",
        "collectiveVacationMessage",
        "queueIdImportMessages",
        "greetingMediaAttachment",
        "closedTicketsPostImported",
    } <= set(manager)


def test_a_department_is_a_queue_without_join_rows_by_itself() -> None:
    wire = _wire(department_view(SUPPORT))
    assert set(wire) == set(
        [
            "id",
            "name",
            "color",
            "greetingMessage",
            "orderQueue",
            "ativarRoteador",
            "tempoRoteador",
            "outOfHoursMessage",
            "schedules",
            "companyId",
            "integrationId",
            "fileListId",
            "closeTicket",
            "chatbots",
            "mediaPath",
            "mediaName",
            "createdAt",
            "updatedAt",
        ]
    )
    assert (wire["schedules"], wire["chatbots"]) == ([], [])


def test_a_tag_has_its_lane_under_the_familys_names() -> None:
    assert set(_wire(VIP)) == set(
        [
            "id",
            "name",
            "color",
            "kanban",
            "companyId",
            "timeLane",
            "nextLaneId",
            "greetingMessageLane",
            "rollbackLaneId",
            "createdAt",
            "updatedAt",
        ]
    )
