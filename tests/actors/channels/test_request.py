"""What is posted to Graph for each kind of message, and what is refused beforehand."""

from typing import Any

import msgspec
import pytest

from actors.channels.base import (
    Account,
    Button,
    Identity,
    Location,
    Outbound,
    OutButtons,
    OutContacts,
    OutEdit,
    OutList,
    OutLocation,
    OutLocationRequest,
    OutMedia,
    OutReaction,
    OutRead,
    OutRevoke,
    OutTemplate,
    OutText,
    OutUrlButton,
    Phone,
    Row,
    Section,
    SharedContact,
    Unsendable,
)
from actors.channels.whatsapp_cloud import WhatsAppCloud

CLOUD = WhatsAppCloud(base_url="https://graph.test/", version="v23.0")
ACCOUNT = Account(connection_id=3, company_id=1, external_id="700000000000001", token="EAAG.tok-1")
ANA = Identity(phone="+55 11 98888-7777", bsuid="BR.1")
BASE = {
    "messaging_product": "whatsapp",
    "recipient_type": "individual",
    "to": "5511988887777",
    "biz_opaque_callback_data": "v1:42",
}
BODY = {
    "body": {"text": "Escolha"},
    "header": {"type": "text", "text": "Olá"},
    "footer": {"text": "Até"},
}

CASES: list[tuple[Outbound, dict[str, Any]]] = [
    (
        OutText(to=ANA, body="oi 😀", preview_url=True, quoted_id="wamid.Q"),
        {
            "type": "text",
            "text": {"body": "oi 😀", "preview_url": True},
            "context": {"message_id": "wamid.Q"},
        },
    ),
    (
        OutMedia(
            to=ANA, kind="image", link="https://x.test/a.jpg", caption="veja", filename="a.jpg"
        ),
        {"type": "image", "image": {"link": "https://x.test/a.jpg", "caption": "veja"}},
    ),
    (
        OutMedia(to=ANA, kind="document", media_id="9", filename="nota.pdf"),
        {"type": "document", "document": {"id": "9", "filename": "nota.pdf"}},
    ),
    (
        OutMedia(to=ANA, kind="audio", media_id="9", voice=True),
        {"type": "audio", "audio": {"id": "9", "voice": True}},
    ),
    (
        OutReaction(to=ANA, target_id="wamid.T", quoted_id="wamid.Q"),
        {"type": "reaction", "reaction": {"message_id": "wamid.T", "emoji": ""}},
    ),
    (
        OutContacts(
            to=ANA,
            contacts=(
                SharedContact(
                    formatted_name="Bruno Reis",
                    last_name="Reis",
                    organization="Reis Ltda",
                    birthday="1990-01-31",
                    phones=(Phone(phone="+551197777", type="CELL", wa_id="551197777"),),
                    emails=("b@x.test",),
                    urls=("https://x.test",),
                ),
            ),
        ),
        {
            "type": "contacts",
            "contacts": [
                {
                    "name": {
                        "formatted_name": "Bruno Reis",
                        "first_name": "Bruno Reis",
                        "last_name": "Reis",
                    },
                    "phones": [{"phone": "+551197777", "type": "CELL", "wa_id": "551197777"}],
                    "emails": [{"email": "b@x.test"}],
                    "urls": [{"url": "https://x.test"}],
                    "org": {"company": "Reis Ltda"},
                    "birthday": "1990-01-31",
                }
            ],
        },
    ),
    (
        OutLocation(to=ANA, location=Location(latitude=-23.5, longitude=-46.6, name="MASP")),
        {"type": "location", "location": {"latitude": -23.5, "longitude": -46.6, "name": "MASP"}},
    ),
    (
        OutButtons(
            to=ANA,
            body="Escolha",
            header="Olá",
            footer="Até",
            buttons=(Button(id="1", title="Sim"), Button(id="2", title="Não")),
        ),
        {
            "type": "interactive",
            "interactive": {
                "type": "button",
                **BODY,
                "action": {
                    "buttons": [
                        {"type": "reply", "reply": {"id": "1", "title": "Sim"}},
                        {"type": "reply", "reply": {"id": "2", "title": "Não"}},
                    ]
                },
            },
        },
    ),
    (
        OutList(
            to=ANA,
            body="Escolha",
            button="Menu",
            sections=(
                Section(title="A", rows=(Row(id="1", title="Um", description="primeiro"),)),
                Section(title="B", rows=(Row(id="2", title="Dois"),)),
            ),
        ),
        {
            "type": "interactive",
            "interactive": {
                "type": "list",
                "body": {"text": "Escolha"},
                "action": {
                    "button": "Menu",
                    "sections": [
                        {
                            "title": "A",
                            "rows": [{"id": "1", "title": "Um", "description": "primeiro"}],
                        },
                        {"title": "B", "rows": [{"id": "2", "title": "Dois"}]},
                    ],
                },
            },
        },
    ),
    (
        OutUrlButton(to=ANA, body="Escolha", title="Abrir", url="https://x.test"),
        {
            "type": "interactive",
            "interactive": {
                "type": "cta_url",
                "body": {"text": "Escolha"},
                "action": {
                    "name": "cta_url",
                    "parameters": {"display_text": "Abrir", "url": "https://x.test"},
                },
            },
        },
    ),
    (
        OutLocationRequest(to=ANA, body="Onde?"),
        {
            "type": "interactive",
            "interactive": {
                "type": "location_request_message",
                "body": {"text": "Onde?"},
                "action": {"name": "send_location"},
            },
        },
    ),
    (
        OutTemplate(
            to=ANA,
            name="boas_vindas",
            language="pt_BR",
            components=msgspec.Raw(b'[{"type":"body","parameters":[]}]'),
        ),
        {
            "type": "template",
            "template": {
                "name": "boas_vindas",
                "language": {"code": "pt_BR"},
                "components": [{"type": "body", "parameters": []}],
            },
        },
    ),
    (
        OutTemplate(to=ANA, name="simples", language="pt_BR"),
        {"type": "template", "template": {"name": "simples", "language": {"code": "pt_BR"}}},
    ),
]


def posted(message: Outbound) -> dict[str, Any]:
    request = CLOUD.request(ACCOUNT, message, outbox_id=42)
    body: dict[str, Any] = msgspec.json.decode(request.body)
    return body


@pytest.mark.parametrize(("message", "expected"), CASES)
def test_each_kind_of_message_is_posted_as_documented(
    message: Outbound, expected: dict[str, Any]
) -> None:
    assert posted(message) == BASE | expected


def test_the_call_goes_to_the_number_of_the_account() -> None:
    request = CLOUD.request(ACCOUNT, OutText(to=ANA, body="oi"), outbox_id=42)
    assert (request.method, request.url) == (
        "POST",
        "https://graph.test/v23.0/700000000000001/messages",
    )
    headers = dict(request.headers)
    assert headers["authorization"] == "Bearer EAAG.tok-1"
    assert headers["content-type"] == "application/json"
    older = msgspec.structs.replace(ACCOUNT, api_version="v19.0", external_id="../me?x=1")
    assert (
        CLOUD.request(older, OutText(to=ANA, body="oi"), outbox_id=1).url
        == "https://graph.test/v19.0/..%2Fme%3Fx%3D1/messages"
    )


def test_secrets_do_not_show() -> None:
    request = CLOUD.request(ACCOUNT, OutText(to=ANA, body="oi"), outbox_id=42)
    assert "tok-1" not in f"{ACCOUNT!r} {request!r} {ACCOUNT} {request}"


def test_a_read_receipt_has_no_recipient_and_may_show_typing() -> None:
    assert posted(OutRead(message_id="wamid.IN")) == {
        "messaging_product": "whatsapp",
        "status": "read",
        "message_id": "wamid.IN",
    }
    assert posted(OutRead(message_id="wamid.IN", typing=True))["typing_indicator"] == {
        "type": "text"
    }


def test_a_person_without_number_and_a_group_are_addressed_by_their_ids() -> None:
    person = posted(OutText(to=Identity(bsuid="BR.1"), body="oi"))
    assert (person["recipient"], "to" in person) == ("BR.1", False)
    group = posted(OutText(group_id="GRUPO-1", body="oi"))
    assert (group["recipient_type"], group["to"]) == ("group", "GRUPO-1")


def buttons(*pairs: tuple[str, str]) -> OutButtons:
    return OutButtons(to=ANA, body="?", buttons=tuple(Button(id=i, title=t) for i, t in pairs))


def menu(*rows: tuple[str, str], button: str = "Menu") -> OutList:
    section = Section(rows=tuple(Row(id=i, title=t) for i, t in rows))
    return OutList(to=ANA, body="?", button=button, sections=(section,))


def picture(**fields: Any) -> OutMedia:
    return OutMedia(to=ANA, **({"kind": "image", "media_id": "1"} | fields))


REFUSED: list[tuple[Outbound, str]] = [
    (OutText(to=ANA, body=" \n"), "ERR_TEXT_EMPTY"),
    (OutText(to=ANA, body="x" * 4097), "ERR_TEXT_TOO_LONG"),
    (OutText(to=Identity(username="ana"), body="oi"), "ERR_NO_RECIPIENT"),
    (OutText(to=Identity(phone="abc"), body="oi"), "ERR_NO_RECIPIENT"),
    (picture(kind="gif"), "ERR_MEDIA_KIND"),
    (picture(media_id=""), "ERR_MEDIA_SOURCE"),
    (picture(link="https://x.test"), "ERR_MEDIA_SOURCE"),
    (picture(media_id="", link="file:///etc/passwd"), "ERR_MEDIA_LINK"),
    (picture(caption="x" * 1025), "ERR_CAPTION_TOO_LONG"),
    (picture(kind="audio", caption="x"), "ERR_CAPTION_NOT_ALLOWED"),
    (picture(media_id="", stored="k"), "ERR_MEDIA_NOT_UPLOADED"),
    (buttons(), "ERR_BUTTONS_COUNT"),
    (buttons(("1", "a"), ("2", "b"), ("3", "c"), ("4", "d")), "ERR_BUTTONS_COUNT"),
    (buttons(("1", "x" * 21)), "ERR_BUTTON_TITLE_TOO_LONG"),
    (buttons(("", "x")), "ERR_BUTTON_ID_EMPTY"),
    (buttons(("x" * 257, "x")), "ERR_BUTTON_ID_TOO_LONG"),
    (buttons(("1", "a"), ("1", "b")), "ERR_BUTTON_ID_DOUBLED"),
    (buttons(("1", "a"), ("2", "a")), "ERR_BUTTON_TITLE_DOUBLED"),
    (menu(), "ERR_LIST_ROWS"),
    (menu(*[(str(n), str(n)) for n in range(11)]), "ERR_LIST_ROWS"),
    (menu(("1", "x" * 25)), "ERR_ROW_TITLE_TOO_LONG"),
    (menu(("1", "a"), ("1", "b")), "ERR_ROW_ID_DOUBLED"),
    (menu(("1", "a"), button=""), "ERR_LIST_BUTTON_EMPTY"),
    (
        OutList(
            to=ANA,
            body="?",
            button="b",
            sections=(
                Section(rows=(Row(id="1", title="a"),)),
                Section(rows=(Row(id="2", title="b"),)),
            ),
        ),
        "ERR_SECTION_TITLE_EMPTY",
    ),
    (OutUrlButton(to=ANA, body="", title="t", url="u"), "ERR_BODY_EMPTY"),
    (OutUrlButton(to=ANA, body="x" * 1025, title="t", url="u"), "ERR_BODY_TOO_LONG"),
    (OutLocationRequest(to=ANA, body=""), "ERR_BODY_EMPTY"),
    (OutTemplate(to=ANA, name="", language="pt"), "ERR_TEMPLATE_NAME_EMPTY"),
    (
        OutTemplate(to=ANA, name="n", language="pt", components=msgspec.Raw(b"[1")),
        "ERR_TEMPLATE_COMPONENTS",
    ),
    (
        OutTemplate(to=ANA, name="n", language="pt", components=msgspec.Raw(b"[1]")),
        "ERR_TEMPLATE_COMPONENTS",
    ),
    (OutText(to=ANA, body="half \ud800"), "ERR_TEXT_INVALID"),
    (OutContacts(to=ANA, contacts=()), "ERR_CONTACTS_COUNT"),
    (OutContacts(to=ANA, contacts=(SharedContact(formatted_name=""),)), "ERR_CONTACT_NAME_EMPTY"),
    (OutLocation(to=ANA, location=Location(latitude=91, longitude=0)), "ERR_LOCATION"),
    (OutLocation(to=ANA, location=Location(latitude=float("nan"), longitude=0)), "ERR_LOCATION"),
    (OutReaction(to=ANA, target_id=""), "ERR_REACTION_TARGET_EMPTY"),
    (OutEdit(to=ANA, target_id="x", body="y"), "ERR_NOT_SUPPORTED"),
    (OutRevoke(to=ANA, target_id="x"), "ERR_NOT_SUPPORTED"),
]


@pytest.mark.parametrize(("message", "code"), REFUSED)
def test_what_the_api_would_refuse_is_refused_before_it_is_sent(
    message: Outbound, code: str
) -> None:
    with pytest.raises(Unsendable) as refusal:
        CLOUD.request(ACCOUNT, message, outbox_id=1)
    assert refusal.value.code == code


@pytest.mark.parametrize("token", ["", "two words", "line\r\nx-evil: 1", "tök"])
def test_a_token_that_is_no_header_value_is_refused(token: str) -> None:
    account = msgspec.structs.replace(ACCOUNT, token=token)
    with pytest.raises(Unsendable, match="access token"):
        CLOUD.request(account, OutText(to=ANA, body="oi"), outbox_id=1)


def test_every_kind_of_outbound_survives_storage() -> None:
    for message, _ in CASES:
        stored = msgspec.json.encode(message)
        again = msgspec.json.decode(stored, type=Outbound)
        assert msgspec.json.encode(again) == stored
        assert posted(again) == posted(message)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1", True),
        ("https://scontent.xx.fbcdn.net/x", True),
        ("https://graph.test/x", True),
        ("http://lookaside.fbsbx.com/x", False),
        ("https://lookaside.fbsbx.com:8443/x", False),
        ("https://evilfbsbx.com/x", False),
        ("https://fbsbx.com.evil.test/x", False),
        ("https://lookaside.fbsbx.com@evil.test/x", False),
        ("https://evil.test\\@fbsbx.com/x", False),
        ("ftp://fbsbx.com/x", False),
        ("", False),
    ],
)
def test_the_token_goes_to_hosts_of_the_provider_only(url: str, allowed: bool) -> None:
    if allowed:
        assert ("authorization", "Bearer EAAG.tok-1") in CLOUD.download(ACCOUNT, url).headers
    else:
        with pytest.raises(Unsendable):
            CLOUD.download(ACCOUNT, url)
