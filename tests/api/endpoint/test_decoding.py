"""One decoder takes what real clients of the family send, and never more than is declared."""

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, UnsetType

from api.endpoint.decoding import Lenient, Strict, parse_query
from api.endpoint.fields import Id, Int, Short
from api.errors import BadRequest, Invalid, Malformed


class Inner(msgspec.Struct):
    id: Id
    name: Short = ""


class Body(msgspec.Struct, rename="camel"):
    status: Short | UnsetType = UNSET
    user_id: Id | UnsetType | None = UNSET
    count: Int = 0
    flag: bool = False
    number: Short = ""
    tags: list[Id] = []
    inner: Inner | None = None


class Own(msgspec.Struct, forbid_unknown_fields=True):
    name: Short
    count: Int = 0


lenient = Lenient(Body)


def decode(text: str) -> Body:
    return lenient.body(text.encode())


def test_unknown_and_read_only_fields_are_ignored():
    body = decode('{"status": "open", "companyId": 9, "super": true, "id": [1]}')
    assert msgspec.to_builtins(body) == msgspec.to_builtins(Body(status="open"))


def test_an_empty_body_is_an_empty_object():
    assert lenient.body(b" \n") == Body()


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ('{"userId": "7"}', "user_id", 7),
        ('{"userId": ""}', "user_id", None),
        ('{"userId": "null"}', "user_id", None),
        ('{"userId": null}', "user_id", None),
        ('{"count": "12"}', "count", 12),
        ('{"count": ""}', "count", 0),
        ('{"count": null}', "count", 0),
        ('{"count": true}', "count", 1),
        ('{"flag": "true"}', "flag", True),
        ('{"flag": "enabled"}', "flag", True),
        ('{"flag": 1}', "flag", True),
        ('{"flag": ""}', "flag", False),
        ('{"flag": "disabled"}', "flag", False),
        ('{"number": 5511999887766}', "number", "5511999887766"),
        ('{"status": null}', "status", UNSET),
        ('{"tags": "[1, 2]"}', "tags", [1, 2]),
        ('{"tags": ""}', "tags", []),
        ('{"tags": ["3", 4, null]}', "tags", [3, 4]),
        ('{"tags": 5}', "tags", [5]),
        ('{"inner": {"id": "3", "other": 1}}', "inner", Inner(id=3)),
        ('{"inner": "{\\"id\\": 3}"}', "inner", Inner(id=3)),
        ('{"number": "a\\u0000b"}', "number", "ab"),
    ],
)
def test_values_are_coerced_to_the_declared_type(text: str, field: str, value: object):
    assert getattr(decode(text), field) == value


@pytest.mark.parametrize("text", ["{", "nope", '{"a": }', "[" * 5000, '"\xff'])
def test_what_is_not_json_is_named_so(text: str):
    with pytest.raises(Malformed):
        lenient.body(text.encode("latin-1"))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"count": "many"}', "$.count"),
        ('{"count": 99999999999}', "$.count"),
        ('{"userId": -1}', "$.userId"),
        ('{"flag": "perhaps"}', "$.flag"),
        ('{"tags": "[1"}', "$.tags"),
        ('{"tags": {"a": 1}}', "$.tags[0]"),
        ('{"inner": {}}', "$.inner"),
        ("[]", "$"),
        ("3", "$"),
    ],
)
def test_what_cannot_be_coerced_is_refused_with_its_path(text: str, path: str):
    with pytest.raises(Invalid) as refused:
        decode(text)
    assert [detail.path for detail in refused.value.details] == [path]


def test_query_fields_are_text_json_or_repeated():
    fields = parse_query("status=open&tags=[1,2]&userId=undefined&flag=true&count=3")
    assert lenient.fields(fields) == Body(status="open", tags=[1, 2], flag=True, count=3)
    assert lenient.fields(parse_query("tags[]=1&tags[]=2")).tags == [1, 2]
    assert lenient.fields(parse_query("tags=7")).tags == [7]


def test_a_query_of_a_thousand_fields_is_refused():
    with pytest.raises(BadRequest):
        parse_query("&".join(f"a{n}=1" for n in range(1000)))


def test_own_routes_refuse_unknown_fields():
    strict = Strict(Own)
    assert strict.body(b'{"name": "a"}') == Own("a")
    with pytest.raises(Invalid):
        strict.body(b'{"name": "a", "companyId": 1}')
    with pytest.raises(Invalid):
        strict.body(b'{"name": "a", "count": "1"}')


def test_a_strict_struct_must_forbid_unknown_fields():
    with pytest.raises(TypeError):
        Strict(Body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)
shaped = st.fixed_dictionaries(
    {},
    optional={
        name: json_values
        for name in ("status", "userId", "count", "flag", "number", "tags", "inner", "other")
    },
)


@given(shaped | json_values)
def test_any_json_is_decoded_or_refused_and_never_crashes(value: object):
    try:
        raw = msgspec.json.encode(value)
    except (UnicodeEncodeError, OverflowError):
        return
    with suppress(BadRequest):
        body = lenient.body(raw)
        assert "\x00" not in body.number
        assert body.count.bit_length() <= 32


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused_and_never_crash(raw: bytes):
    with suppress(BadRequest):
        assert isinstance(lenient.body(raw), Body)


@given(st.text(max_size=200))
def test_any_query_is_decoded_or_refused_and_never_crashes(text: str):
    with suppress(BadRequest):
        assert isinstance(lenient.fields(parse_query(text)), Body)
