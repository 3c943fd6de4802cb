"""Accepted, surely not accepted, or unknown: decided in one place, and never guessed."""

import msgspec
import pytest

from actors.channels.base import Accepted, HttpFailure, HttpReply, Rejected, Unknown
from actors.channels.whatsapp_cloud.errors import TABLE, outcome, rule_of


def graph(code: object, status: int = 400, **fields: object) -> HttpReply:
    error = {"message": "m", "type": "OAuthException", "code": code, **fields}
    return HttpReply(status=status, body=msgspec.json.encode({"error": error}))


SENT = b'{"messaging_product":"whatsapp","contacts":[],"messages":[{"id":"wamid.1"}]}'
PAUSED = b'{"messages":[{"id":"wamid.1","message_status":"paused"}]}'

ACCEPTED = [
    (HttpReply(status=200, body=SENT), Accepted(provider_id="wamid.1")),
    (HttpReply(status=201, body=SENT), Accepted(provider_id="wamid.1")),
    (HttpReply(status=200, body=PAUSED), Accepted(provider_id="wamid.1", state="paused")),
    (HttpReply(status=200, body=b'{"success":true}'), Accepted()),
]

UNKNOWN = [
    HttpFailure(reason="ReadTimeout", written=True),
    HttpFailure(reason="ReadError: reset", written=True),
    HttpFailure(reason="WriteError", written=True),
    HttpFailure(reason="no answer before the deadline", written=True),
    HttpReply(status=500, body=b""),
    HttpReply(status=502, body=b"<html>Bad Gateway</html>"),
    HttpReply(status=503, body=b"{}"),
    HttpReply(status=503, body=b'{"messages":[{"id":"wamid.1"}]}'),
    HttpReply(status=504, body=b'{"error":'),
    HttpReply(status=500, body=b'{"error":null}'),
    HttpReply(status=408, body=b""),
    HttpReply(status=499, body=b""),
    HttpReply(status=302, body=b""),
    HttpReply(status=100, body=b""),
    HttpReply(status=200, body=b""),
    HttpReply(status=200, body=b"{}"),
    HttpReply(status=200, body=b'{"messages":[]}'),
    HttpReply(status=200, body=b'{"messages":[{"id":""}]}'),
    HttpReply(status=200, body=b'{"messages":[{"id":' + b"9" * 5000 + b"}]}"),
    HttpReply(status=200, body=b"[" * 100_000),
    HttpReply(status=200, body=b'{"success":false}'),
]

# reply → (code, category, permanent)
REJECTED = [
    (HttpFailure(reason="ConnectError", written=False), "ERR_NOT_CONNECTED", "network", False),
    (HttpFailure(reason="ConnectTimeout", written=False), "ERR_NOT_CONNECTED", "network", False),
    (HttpFailure(reason="x", written=False, blocked=True), "ERR_BLOCKED_URL", "network", True),
    (graph(130429, 429), "130429", "throughput", False),
    (graph("130429", 400), "130429", "throughput", False),
    (graph(131056), "131056", "pair_rate", False),
    (graph(190, 401), "190", "token", False),
    (graph(0, 401), "0", "token", False),
    (graph(250, 403), "250", "token", False),
    (graph(131047), "131047", "window", True),
    (graph(131026), "131026", "undeliverable", True),
    (graph(131048), "131048", "quality", True),
    (graph(100), "100", "request", True),
    (graph(131053), "131053", "media", False),
    (graph(132001), "132001", "template", True),
    (graph(132999), "132999", "template", True),
    (graph(131045), "131045", "registration", True),
    (graph(80007), "80007", "account_rate", False),
    (graph(131057), "131057", "upgrading", False),
    (graph(2, 500), "2", "transient", False),
    (graph(131016, 503), "131016", "transient", False),
    (graph(1, 200), "1", "transient", False),
    (graph(987654, 400), "987654", "request", True),
    (graph(987654, 500), "987654", "transient", False),
    (graph(987654, 429), "987654", "throughput", False),
    (graph(None, 400), "HTTP_400", "request", True),
    (graph("no number", 500), "HTTP_500", "transient", False),
    (graph([1], 500, message=7), "HTTP_500", "transient", False),
    (HttpReply(status=400, body=b""), "HTTP_400", "request", True),
    (HttpReply(status=401, body=b"<html>"), "HTTP_401", "token", False),
    (HttpReply(status=403, body=b""), "HTTP_403", "token", False),
    (HttpReply(status=404, body=b"nginx"), "HTTP_404", "request", True),
    (HttpReply(status=413, body=b""), "HTTP_413", "request", True),
    (HttpReply(status=429, body=b""), "HTTP_429", "throughput", False),
]


@pytest.mark.parametrize(("reply", "expected"), ACCEPTED)
def test_a_message_id_or_success_is_acceptance(reply: HttpReply, expected: Accepted) -> None:
    assert outcome(reply) == expected


@pytest.mark.parametrize("reply", UNKNOWN)
def test_whatever_may_hide_an_acceptance_is_unknown(reply: HttpReply | HttpFailure) -> None:
    assert isinstance(outcome(reply), Unknown)


@pytest.mark.parametrize(("reply", "code", "category", "permanent"), REJECTED)
def test_nothing_written_or_an_error_of_graph_is_surely_no_acceptance(
    reply: HttpReply | HttpFailure, code: str, category: str, permanent: bool
) -> None:
    found = outcome(reply)
    assert isinstance(found, Rejected)
    assert (found.code, found.category, found.permanent) == (code, category, permanent)
    assert (found.retry_after > 0) is not permanent, "what may be repeated says when"


def test_the_details_explain_better_than_the_message() -> None:
    found = outcome(graph(131047, error_data={"details": "more than 24 hours"}))
    assert isinstance(found, Rejected)
    assert found.message == "more than 24 hours"


@pytest.mark.parametrize(
    ("header", "wait"), [("17", 17.0), ("0", 1.0), ("soon", 1.0), ("9" * 8, 3600.0), ("²", 1.0)]
)
def test_the_asked_pause_is_kept_within_reason(header: str, wait: float) -> None:
    reply = HttpReply(status=429, body=b"", headers=(("retry-after", header),))
    found = outcome(reply)
    assert isinstance(found, Rejected)
    assert found.retry_after == wait


def test_what_to_slow_down_or_stop_is_in_the_table() -> None:
    scopes = {code: rule_of(code).scope for code in (131056, 130429, 190, 131026)}
    assert scopes == {131056: "pair", 130429: "number", 190: "account", 131026: "message"}
    alerts = {rule.category for rule in TABLE if rule.alert}
    assert alerts == {"token", "quality", "registration"}


def test_no_code_stands_in_two_rows() -> None:
    codes = [code for rule in TABLE for code in rule.codes]
    assert len(codes) == len(set(codes))
