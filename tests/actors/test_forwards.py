"""What passing a message on sends, and contact cards read from text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.channels.base import OutContacts, OutLocation, OutMedia, OutText
from actors.errors import NotForwardable
from actors.forwards import content_of
from actors.tickets.commands import StoredFile
from actors.vcards import cards_in
from tests.actors.rules_kit import message

CARD = (
    "BEGIN:VCARD\nVERSION:3.0\nN:Silva;Ana;;;\nFN:Ana Silva\nORG:Loja;\n"
    "item1.TEL;type=CELL;waid=5511988887777:+55 11 98888-7777\nEMAIL:ana@x.test\nEND:VCARD"
)


def test_a_text_is_sent_as_it_was_written() -> None:
    assert content_of(message(body="Olá {{name}}")) == (OutText(body="Olá {{name}}"), None)


def test_a_file_of_ours_goes_with_its_caption_and_name() -> None:
    picture = message(
        body="look", media_type="image", media_path="k.png", media_mime="image/png", media_name="p"
    )
    content, file = content_of(picture)
    assert isinstance(content, OutMedia)
    assert (content.kind, content.stored, content.caption) == ("image", "k.png", "look")
    assert file == StoredFile(key="k.png", filename="p", mime="image/png")


@pytest.mark.parametrize(
    ("mime", "media_type", "kind"),
    [
        ("application/pdf", "application", "document"),
        ("audio/ogg", "audio", "audio"),
        ("image/webp", "sticker", "sticker"),
        ("text/html", "application", "document"),
    ],
)
def test_sounds_and_stickers_carry_no_caption(mime: str, media_type: str, kind: str) -> None:
    sent = message(body="n", media_type=media_type, media_path="k", media_mime=mime, media_name="n")
    content, _ = content_of(sent)
    assert isinstance(content, OutMedia)
    assert (content.kind, content.caption) == (kind, "")


def test_a_file_behind_an_address_is_sent_by_that_address() -> None:
    linked = message(media_type="image", media_path="https://x.test/a.png", media_mime="image/png")
    content, file = content_of(linked)
    assert isinstance(content, OutMedia)
    assert (content.link, content.stored, file) == ("https://x.test/a.png", "", None)


def test_cards_and_points_are_sent_as_what_they_are() -> None:
    card, _ = content_of(message(body=CARD, media_type="contactMessage"))
    assert isinstance(card, OutContacts)
    assert card.contacts[0].phones[0].wa_id == "5511988887777"
    body = "data:image/png;base64,x|https://maps.google.com/maps?q=-23.5%2C-46.6&z=17|Praça"
    point, _ = content_of(message(body=body, media_type="locationMessage"))
    assert isinstance(point, OutLocation)
    assert (point.location.latitude, point.location.name) == (-23.5, "Praça")


@pytest.mark.parametrize(
    "fields",
    [
        {"is_deleted": True},
        {"is_private": True},
        {"media_type": "reactionMessage"},
        {"media_type": "image", "media_mime": "image/png"},
        {"body": " "},
    ],
)
def test_what_is_gone_or_not_for_others_is_not_passed_on(fields: dict[str, object]) -> None:
    with pytest.raises(NotForwardable):
        content_of(message(**({"body": "x"} | fields)))


def test_a_card_is_read_with_its_names_numbers_and_addresses() -> None:
    (card,) = cards_in(CARD)
    assert (card.formatted_name, card.first_name, card.last_name) == ("Ana Silva", "Ana", "Silva")
    assert (card.organization, card.emails) == ("Loja", ("ana@x.test",))
    assert card.phones[0].phone == "+55 11 98888-7777"
    assert [c.formatted_name for c in cards_in(CARD + "\n" + CARD)] == ["Ana Silva", "Ana Silva"]


@given(st.text() | st.builds("BEGIN:VCARD{}END:VCARD".format, st.text()))
def test_no_text_breaks_the_reading_of_cards(text: str) -> None:
    assert all(card.formatted_name for card in cards_in(text))
