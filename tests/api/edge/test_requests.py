"""What the parser accepts, and the shapes it must refuse however the bytes are cut."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.edge.limits import EdgeLimits
from api.edge.requests import BadRequest, Request, RequestParser

LIMITS = EdgeLimits(max_head=2048, max_headers=20, max_body=1000, read_size=512)


def feed_all(parser: RequestParser, parts: Iterable[bytes]) -> None:
    for part in parts:
        parser.feed(part)


def cut(data: bytes, at: Iterable[int]) -> list[bytes]:
    return [data[start:end] for start, end in pairwise([0, *sorted(at), len(data)])]


def parse(data: bytes, limits: EdgeLimits = LIMITS) -> list[Request]:
    parser = RequestParser(limits)
    parser.feed(data)
    return list(parser.requests)


def test_pipelined_requests_come_out_in_order() -> None:
    first, second = parse(
        b"POST /a?x=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
        b"GET /b HTTP/1.1\r\nHost: h\r\n\r\n"
    )
    assert (first.method, first.target, b"".join(first.chunks)) == (b"POST", b"/a?x=1", b"abc")
    assert (second.method, second.target, second.complete) == (b"GET", b"/b", True)


def test_a_chunked_body_is_joined_and_its_trailers_are_no_headers() -> None:
    (request,) = parse(
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nX-Role: admin\r\n\r\n"
    )
    assert b"".join(request.chunks) == b"abcde"
    assert b"x-role" not in dict(request.headers)


SMUGGLING = {
    "length and coding": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding and length": b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    "two equal lengths": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "length list": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3, 3\r\n\r\nabc",
    "signed length": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\nabc",
    "hex length": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x3\r\n\r\nabc",
    "negative length": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
    "coding list": b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "coding twice": b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "coding with tab": b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "coding in 1.0": b"POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "space before colon": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length : 3\r\n\r\nabc",
    "folded header": b"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n",
    "bare cr in header": b"GET / HTTP/1.1\r\nHost: h\r\nX: a\rY: b\r\n\r\n",
    "nul in header": b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "absolute target": b"GET http://evil/ HTTP/1.1\r\nHost: h\r\n\r\n",
    "fragment": b"GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n",
    "connect": b"CONNECT evil:443 HTTP/1.1\r\nHost: h\r\n\r\n",
    "unknown method": b"BREW / HTTP/1.1\r\nHost: h\r\n\r\n",
    "http/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "http/0.9": b"GET /\r\n\r\n",
    "http/9": b"GET / HTTP/9.9\r\nHost: h\r\n\r\n",
    "bad chunk size": b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "chunk size overflow": b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    "chunk without its end": b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n",
    "unknown expectation": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nExpect: magic\r\n\r\na",
    "oversized length": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n",
    "oversized chunked": b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"a" * 1001,
    "too many headers": b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X: 1\r\n" * 21 + b"\r\n",
    "huge header": b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 3000 + b"\r\n\r\n",
    "huge target": b"GET /" + b"a" * 3000 + b" HTTP/1.1\r\nHost: h\r\n\r\n",
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}  # fmt: skip


@pytest.mark.parametrize("shape", SMUGGLING)
def test_a_dangerous_shape_is_refused_with_a_4xx_or_5xx(shape: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse(SMUGGLING[shape])
    assert 400 <= refused.value.status <= 505


@pytest.mark.parametrize("shape", SMUGGLING)
def test_a_dangerous_shape_is_refused_byte_by_byte_too(shape: str) -> None:
    parser = RequestParser(LIMITS)
    with pytest.raises(BadRequest):
        feed_all(parser, (bytes([byte]) for byte in SMUGGLING[shape]))


def test_an_endless_head_is_refused_before_it_is_complete() -> None:
    parser = RequestParser(LIMITS)
    parser.feed(b"GET / HTTP/1.1\r\nHost: h\r\n")
    with pytest.raises(BadRequest) as refused:
        feed_all(parser, [b"X: y\r\n"] * 10_000)
    assert refused.value.status == 431


def test_bytes_behind_an_upgrade_are_left_alone() -> None:
    parser = RequestParser(LIMITS)
    parser.feed(
        b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x80abcd"
    )
    parser.feed(b"more")
    assert parser.requests[0].upgrade
    assert parser.leftover == b"\x81\x80abcdmore"


MESSAGE = (
    b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    b"PUT /b HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nwxyz"
    b"GET /c HTTP/1.1\r\nHost: h\r\n\r\n"
)


@given(st.lists(st.integers(1, len(MESSAGE) - 1), max_size=20))
def test_how_the_network_cuts_the_bytes_changes_nothing(cuts: list[int]) -> None:
    parser = RequestParser(LIMITS)
    feed_all(parser, cut(MESSAGE, set(cuts)))
    assert [(r.method, b"".join(r.chunks), r.complete) for r in parser.requests] == [
        (b"POST", b"abc", True),
        (b"PUT", b"wxyz", True),
        (b"GET", b"", True),
    ]


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=5))
def test_no_bytes_raise_anything_but_a_refusal(data: bytes, cuts: list[int]) -> None:
    refused: BadRequest | None = None
    try:
        feed_all(RequestParser(LIMITS), cut(data, [min(at, len(data)) for at in cuts]))
    except BadRequest as error:
        refused = error
    assert refused is None or refused.status in (400, 413, 417, 431, 501, 505)
