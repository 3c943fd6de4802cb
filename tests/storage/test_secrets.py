"""Sealed secrets: only the right key and place open them; masks show nothing worth stealing."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.secrets import SecretBox, SecretUnreadable, is_masked, mask

BOX = SecretBox(b"k" * 32)


class Pair(msgspec.Struct):
    user: str
    word: str = ""


@given(user=st.text(), word=st.text(), place=st.text())
def test_what_was_sealed_opens(user: str, word: str, place: str) -> None:
    pair = Pair(user, word)
    assert BOX.open(BOX.seal(pair, place), place, Pair) == pair


@given(st.data())
def test_any_changed_byte_is_noticed(data: st.DataObject) -> None:
    sealed = bytearray(BOX.seal(Pair("u", "w"), "here"))
    index = data.draw(st.integers(0, len(sealed) - 1))
    sealed[index] ^= data.draw(st.integers(1, 255))
    with pytest.raises(SecretUnreadable):
        BOX.open(bytes(sealed), "here", Pair)


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x02" + bytes(60), b"\x01" + bytes(27)])
def test_what_is_no_box_does_not_open(sealed: bytes) -> None:
    with pytest.raises(SecretUnreadable):
        BOX.open(sealed, "here", Pair)


def test_the_same_secret_is_never_sealed_the_same_way() -> None:
    assert BOX.seal(Pair("u"), "here") != BOX.seal(Pair("u"), "here")


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        SecretBox(b"short")


@given(st.text(min_size=1))
def test_a_mask_hides_all_but_the_end_and_is_known_again(secret: str) -> None:
    masked = mask(secret)
    assert is_masked(masked)
    shown = masked.strip("•")
    assert len(shown) <= 4
    if len(secret) < 16:
        assert masked == "••••••••"


def test_no_secret_has_no_mask() -> None:
    assert mask("") == ""
    assert not is_masked("")
    assert not is_masked("EAAB")
