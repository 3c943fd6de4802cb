"""Times, amounts, sealed texts and cells as plain resources read them."""

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.endpoint.sealing import Sealing
from api.endpoint.times import moment
from api.errors import Invalid
from api.resources.money import amount
from api.resources.spreadsheets import digits, plain, read_people
from storage.ids import CompanyId
from storage.secrets import SecretBox, SecretUnreadable

BOX = SecretBox(bytes(32))
OURS, THEIRS = CompanyId(1), CompanyId(2)


class Row(msgspec.Struct, frozen=True):
    token: str


@given(st.text())
def test_any_text_is_a_time_or_refused(text: str):
    try:
        found = moment(text, "America/Sao_Paulo", "$.at")
    except Invalid:
        return
    assert found is None or found.tzinfo is not None


@given(st.text())
def test_any_text_is_an_amount_or_refused(text: str):
    with suppress(Invalid):
        assert amount(text, "$.value").as_tuple().exponent == -2


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.234,50", "1234.50"), ("R$ 99", "99.00"), ("10.5", "10.50"), ("", "0.00")],
)
def test_amounts_in_both_spellings(text: str, value: str):
    assert str(amount(text, "$")) == value


@given(st.binary(max_size=300))
def test_any_file_is_lines_or_refused(content: bytes):
    with suppress(Invalid):
        for person in read_people(b"number\n" + content).people:
            assert digits(person.number) == person.number
            assert person.name


@given(st.text())
def test_no_cell_starts_a_formula(text: str):
    assert not plain(text).startswith(("=", "+", "-", "@", "\t", "\r"))


def test_a_sealed_text_opens_for_its_company_and_field_alone():
    sealing = Sealing("prompt", ("token",))
    kept = sealing.sealed(BOX, OURS, {"token": "a secret of ours 1234", "other": "x"})
    assert kept["other"] == "x"
    assert "secret" not in kept["token"]
    assert sealing.opened(BOX, OURS, "token", kept["token"]) == "a secret of ours 1234"
    for company, field in ((THEIRS, "token"), (OURS, "other")):
        with pytest.raises(SecretUnreadable):
            sealing.opened(BOX, company, field, kept["token"])
    shown = sealing.masked(BOX, OURS, Row(kept["token"])).token
    assert shown.endswith("1234")
    assert sealing.sealed(BOX, OURS, {"token": shown}) == {}
    assert sealing.sealed(BOX, OURS, {"token": ""}) == {"token": ""}
