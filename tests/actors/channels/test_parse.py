"""Webhook bodies of the Cloud API become neutral Structs."""

from datetime import UTC, datetime

import msgspec
import pytest

from actors.channels.base import Identity, InboundEdit, InboundMessage, InboundRevoke
from tests.actors.channels.fixtures import account, body, message, only

ANA = Identity(phone="5511988887777")

# name → (kind, media_type, body)
MESSAGES: dict[str, tuple[str, str, str]] = {
    "text": ("text", "conversation", "Olá, tudo bem? 😀"),
    "text_reply": ("text", "extendedTextMessage", "essa aqui"),
    "text_forwarded": ("text", "conversation", "repassando"),
    "text_forwarded_often": ("text", "conversation", "corrente"),
    "text_from_ad": (
        "text",
        "adMetaPreview",
        "https://scontent.example/x.jpg|https://fb.me/anuncio|Promoção / junho|Só hoje"
        "|Quero saber mais",
    ),
    "image": ("image", "image", "a vitrine"),
    "image_with_url": ("image", "image", "image.png"),
    "video": ("video", "video", "video.mp4"),
    "voice_note": ("audio", "audio", "audio.ogg"),
    "audio_file": ("audio", "audio", "audio.mp3"),
    "voice_legacy": ("voice", "audio", "audio.ogg"),
    "document": ("document", "document", "../../nota fiscal.pdf"),
    "sticker": ("sticker", "sticker", "sticker.webp"),
    "button_reply": ("interactive.button_reply", "conversation", "Financeiro"),
    "list_reply": ("interactive.list_reply", "conversation", "Suporte"),
    "flow_reply": (
        "interactive.nfm_reply",
        "conversation",
        "Formulário respondido\nnota: 9\nmotivo: rápido",
    ),
    "flow_reply_malformed": ("interactive.nfm_reply", "conversation", '{"nota":'),
    "call_permission": (
        "interactive.call_permission_reply",
        "conversation",
        "Permissão de chamada aceita",
    ),
    "interactive_empty": (
        "interactive",
        "protocolMessage",
        "Mensagem não suportada pela API do WhatsApp (interactive). Veja no celular.",
    ),
    "template_button": ("button", "conversation", "Confirmar"),
    "reaction": ("reaction", "reactionMessage", "👍"),
    "reaction_removed": ("reaction", "reactionMessage", ""),
    "order": (
        "order",
        "conversation",
        "Pedido do catálogo\n2 x SKU-1 x 19.90 BRL\n1 x SKU-2 x 5 BRL\npode entregar hoje?",
    ),
    "system_new_number": (
        "system.user_changed_number",
        "protocolMessage",
        "User Ana Prado changed from 5511988887777 to 5511966665555",
    ),
    "system_identity": (
        "system.customer_identity_changed",
        "protocolMessage",
        "Ana Prado changed identity",
    ),
    "unsupported": (
        "unsupported.poll_creation",
        "pollCreationMessageV3",
        "Mensagem não suportada pela API do WhatsApp (poll_creation). Veja no celular.",
    ),
    "unsupported_plain": (
        "unsupported",
        "protocolMessage",
        "Mensagem não suportada pela API do WhatsApp. Veja no celular.",
    ),
    "future_type": (
        "hologram",
        "protocolMessage",
        "Mensagem não suportada pela API do WhatsApp (hologram). Veja no celular.",
    ),
    "request_welcome": ("request_welcome", "protocolMessage", "O cliente abriu a conversa."),
}


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_a_message_of_each_kind_is_ready_to_be_stored(name: str) -> None:
    found = message(name)
    assert (found.kind, found.media_type, found.body) == MESSAGES[name]
    assert found.contact == ANA
    assert found.name == "Ana Prado"
    assert found.timestamp == datetime.fromtimestamp(1764000000, UTC)
    assert not found.from_me
    value = msgspec.json.decode(body(name))["entry"][0]["changes"][0]["value"]
    assert msgspec.json.decode(found.raw) == value["messages"][0]


def test_the_quoted_message_is_named() -> None:
    assert message("text_reply").quoted_id == "wamid.TEST.quoted"
    assert message("button_reply").quoted_id == "wamid.TEST.menu"
    assert message("text").quoted_id == ""


def test_both_grades_of_forwarding_count() -> None:
    assert message("text_forwarded").forwarded
    assert message("text_forwarded_often").forwarded
    assert not message("text_reply").forwarded


def test_the_digest_of_a_file_is_turned_from_base64_to_hex() -> None:
    media = message("image").media
    assert media is not None
    assert media.sha256 == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert (media.id, media.mime, media.caption) == ("900000000000001", "image/jpeg", "a vitrine")


def test_voice_notes_animated_stickers_and_links_are_marked() -> None:
    voice, sticker, link = (message(n).media for n in ("voice_note", "sticker", "image_with_url"))
    assert voice is not None
    assert voice.voice
    assert sticker is not None
    assert sticker.animated
    assert link is not None
    assert link.url.startswith("https://lookaside.fbsbx.com/")


def test_a_location_keeps_its_numbers_and_shows_a_map_link() -> None:
    found = message("location")
    assert found.media_type == "locationMessage"
    picture, link, description = found.body.split("|")
    assert picture.startswith("data:image/png;base64,")
    assert link == "https://maps.google.com/maps?q=-23.5614%2C-46.6559&z=17&hl=pt-BR"
    assert description == "MASP, Av. Paulista, 1578"
    assert found.location is not None
    assert (found.location.latitude, found.location.longitude) == (-23.5614, -46.6559)
    assert message("location_live").body.endswith("|-23.5,-46.5")


def test_contact_cards_become_vcards() -> None:
    one, two = message("contact_card"), message("contact_cards")
    assert (one.media_type, two.media_type) == ("contactMessage", "contactsArrayMessage")
    assert one.body.splitlines() == [
        "BEGIN:VCARD",
        "VERSION:3.0",
        "N:Reis;Bruno;;;",
        "FN:Bruno Reis",
        "ORG:Reis Ltda;",
        "TEL;type=CELL;waid=5511977776666:+55 11 97777-6666",
        "EMAIL:bruno@example.com",
        "URL:https://example.com",
        "BDAY:1990-01-31",
        "END:VCARD",
    ]
    assert two.body.count("BEGIN:VCARD") == 2
    assert message("contact_shared_number").body.startswith("BEGIN:VCARD\nVERSION:3.0\nFN:Ana\n")


def test_what_was_tapped_carries_the_id_we_gave_it() -> None:
    button, row, quick = (
        message(n).choice for n in ("button_reply", "list_reply", "template_button")
    )
    assert button is not None
    assert row is not None
    assert quick is not None
    assert (button.kind, button.id) == ("button", "opt-1")
    assert (row.kind, row.id, row.description) == ("list", "row-2", "Problemas técnicos")
    assert (quick.kind, quick.id) == ("quick_reply", "CONFIRMA")


def test_a_flow_keeps_its_answers_as_sent() -> None:
    choice = message("flow_reply_malformed").choice
    assert choice is not None
    assert (choice.kind, choice.data) == ("flow", '{"nota":')


def test_a_reaction_names_its_target() -> None:
    for name in ("reaction", "reaction_removed"):
        assert message(name).reaction_to == "wamid.TEST.target"
        assert message(name).quoted_id == "wamid.TEST.target"


def test_an_order_keeps_numbers_that_came_as_text() -> None:
    order = message("order").order
    assert order is not None
    assert [(item.product_id, item.quantity, item.price) for item in order.items] == [
        ("SKU-1", 2, 19.9),
        ("SKU-2", 1, 5),
    ]


def test_an_advertisement_is_kept_with_its_click_id() -> None:
    referral = message("text_from_ad").referral
    assert referral is not None
    assert (referral.source_type, referral.click_id) == ("ad", "CLID")


def test_a_changed_number_or_id_tells_old_and_new() -> None:
    number, user = message("system_new_number"), message("system_new_user_id")
    assert (number.contact.phone, number.new_identity) == (
        "5511988887777",
        Identity(phone="5511966665555"),
    )
    assert user.contact == Identity(bsuid="BR.10203040506070809010")
    assert user.new_identity == Identity(bsuid="BR.5555")
    assert message("system_identity").new_identity is None


def test_a_reported_error_travels_with_the_message() -> None:
    error = message("unsupported").error
    assert error is not None
    assert (error.code, error.details) == (131051, "Message type is currently not supported.")


def test_a_sender_without_phone_is_known_by_the_scoped_id() -> None:
    expected = Identity(
        bsuid="BR.10203040506070809010", parent_bsuid="BR.ENT.998877", username="davi.r"
    )
    for name in ("text_without_phone", "text_sender_only_in_contacts"):
        assert message(name).contact == expected
        assert message(name).name == "Davi"


def test_a_group_message_belongs_to_the_group_and_has_an_author() -> None:
    (conversation,) = account("group_text").conversations
    found = message("group_text")
    assert (conversation.key, conversation.group_id) == ("group:GRUPO-1", "GRUPO-1")
    assert found.group_id == "GRUPO-1"
    assert found.participant == ANA
    assert not found.contact


def test_edits_and_revokes_name_their_target() -> None:
    edit, caption, revoke = only("edit"), only("edit_caption"), only("revoke")
    assert isinstance(edit, InboundEdit)
    assert (edit.target_id, edit.body, edit.media) == ("wamid.TEST.first", "corrigido", None)
    assert isinstance(caption, InboundEdit)
    assert caption.body == "legenda nova"
    assert caption.media is not None
    assert isinstance(revoke, InboundRevoke)
    assert revoke.target_id == "wamid.TEST.first"


def test_echoes_are_ours_and_belong_to_the_customer() -> None:
    text, edit, revoke = only("echo_text"), only("echo_edit"), only("echo_revoke")
    assert isinstance(text, InboundMessage)
    assert text.contact == Identity(phone="5511988887777", bsuid="BR.7")
    assert text.body == "respondi pelo celular"
    for found in (text, edit, revoke):
        assert found.from_me
        assert found.contact.phone == "5511988887777"
