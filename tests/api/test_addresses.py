"""Addresses people give: what is taken can be posted to, what is not is said at once."""

from email import message_from_bytes
from email.policy import SMTP

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors import mailer
from actors.mailer import SmtpConfig
from api.errors import Invalid
from api.resources.users import check_email
from storage.mails import Mail
from tests.api.conftest import World

CONFIG = SmtpConfig(host="localhost", port=25, sender="me@chatia.test")
HEADERS = {
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "Content-Type",
    "Content-Transfer-Encoding",
    "MIME-Version",
}
ODD = [
    "joão@exemplo.com",
    "-#@[",
    ']>;@?,"',
    "a@b@c",
    "a b@c.test",
    "a@b\r\nBcc: c@d",
    ".a@b",
    "a@-",
]


@given(st.one_of(st.emails(), st.text("a.-_+'@[]<>;:,\"\\()é \r\n", max_size=20)))
@example("-#@[")
@example(']>;@?,"')
@example("joão@exemplo.com")
@example("a" * 64 + "@" + ".".join(["b" * 63] * 3)[:189])
def test_what_is_taken_for_an_address_can_stand_in_a_letter(address: str):
    try:
        check_email(address)
    except Invalid:
        return
    to = address.strip()
    letter = mailer._letter(CONFIG, Mail(to=to, subject="s", text="t"), "1")
    found = message_from_bytes(letter, policy=SMTP)
    assert len(found.get_all("To", [])) == 1, letter
    assert set(found.keys()) <= HEADERS, letter


@given(st.emails())
def test_ordinary_addresses_are_taken(address: str):
    check_email(f" {address}\n")


@pytest.mark.parametrize("address", ODD)
async def test_nobody_is_let_in_by_an_address_that_no_letter_reaches(world: World, address: str):
    body = {"name": "N", "email": address, "password": "secret"}
    answer = await world.call("POST", "/users", body, token=world.a.admin)
    assert (answer.status, answer.json()["details"][0]["path"]) == (400, "$.email")
