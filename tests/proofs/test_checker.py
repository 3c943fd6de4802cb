"""The checker itself: a clean history passes, each doctored one is rejected for its own reason."""

from collections.abc import Callable

import msgspec
import pytest

from tests.proofs.checker import check
from tests.proofs.history import (
    Accepted,
    AckSeen,
    EpochWrite,
    EventRow,
    History,
    OutboxRow,
    Reply,
    Seen,
    Sent,
    Stored,
    TicketRow,
)


def clean() -> History:
    """Two conversations with three messages each, one refused, one unknown, two replies."""
    sent, stored, events, seen = [], [], [], []
    seq = 0
    for number in range(3):
        for conversation in ("ana", "bia"):
            seq += 1
            key = f"{conversation}-{number}"
            sent.append(
                Sent(
                    company=1,
                    conversation=conversation,
                    number=number,
                    provider_id=key,
                    start=seq,
                    end=seq + 0.5,
                    outcome="ok",
                )
            )
            stored.append(
                Stored(
                    company=1,
                    conversation=conversation,
                    provider_id=key,
                    from_me=False,
                    read=False,
                    seq=seq,
                )
            )
            events.append(EventRow(company=1, seq=seq, kind="message.created"))
            seen.append(Seen(socket="s1", company=1, seq=seq, kind="message.created"))
    lost = {"company": 1, "conversation": "ana", "start": 9.0, "end": 9.5}
    sent.append(Sent(number=3, provider_id="ana-3", outcome="fail", **lost))
    sent.append(Sent(number=4, provider_id="ana-4", outcome="unknown", **lost))
    return History(
        sent=sent,
        stored=stored,
        events=events,
        seen=seen,
        acks=[AckSeen(socket="s1", provider_id="out-1", ack=ack) for ack in (1, 2, 3)],
        replies=[Reply(company=1, key="r1", outcome="ok"), Reply(company=1, key="r2", outcome="unknown")],
        outbox=[OutboxRow(id=1, key="r1", state="sent"), OutboxRow(id=2, key="r2", state="unknown")],
        accepted=[Accepted(outbox_id=1, provider_id="out-1")],
        tickets=[TicketRow(company=1, conversation=name, unread=3) for name in ("ana", "bia")],
        batches=[EpochWrite(epoch=1, batch="a"), EpochWrite(epoch=2, batch="b")],
    )  # fmt: skip


def test_a_clean_history_has_no_violation() -> None:
    assert check(clean()) == []


replace = msgspec.structs.replace


def lose_a_message(h: History) -> None:
    h.stored = [row for row in h.stored if row.provider_id != "bia-2"]
    h.tickets = []


def store_a_refused_one(h: History) -> None:
    h.stored.append(replace(h.stored[0], provider_id="ana-3", seq=7))
    h.tickets = []


def double_a_message(h: History) -> None:
    h.stored.append(replace(h.stored[2], seq=7))
    h.tickets = []


def cross_a_company(h: History) -> None:
    h.stored.append(replace(h.stored[0], company=2))


def swap_two_messages(h: History) -> None:
    first, second = h.stored[0], h.stored[2]
    h.stored[0], h.stored[2] = replace(first, seq=second.seq), replace(second, seq=first.seq)


def skip_a_seq(h: History) -> None:
    h.events[-1] = replace(h.events[-1], seq=7)
    h.seen = []


def invert_two_events(h: History) -> None:
    h.seen[1], h.seen[2] = h.seen[2], h.seen[1]


def publish_a_rolled_back_event(h: History) -> None:
    h.seen.append(Seen(socket="s1", company=1, seq=7, kind="message.created"))


def write_with_an_old_epoch(h: History) -> None:
    h.batches.append(EpochWrite(epoch=1, batch="c"))


def lower_an_ack(h: History) -> None:
    h.acks.append(AckSeen(socket="s1", provider_id="out-1", ack=2))


def send_twice(h: History) -> None:
    h.accepted.append(Accepted(outbox_id=1, provider_id="out-9"))


def send_out_of_order(h: History) -> None:
    h.accepted.insert(0, Accepted(outbox_id=2, provider_id="out-2"))


def claim_a_send_that_never_left(h: History) -> None:
    h.accepted = []


def call_a_sent_one_failed(h: History) -> None:
    h.outbox[0] = replace(h.outbox[0], state="failed")


def lose_a_reply(h: History) -> None:
    h.outbox, h.accepted = h.outbox[1:], []


def miscount_unread(h: History) -> None:
    h.tickets[0] = replace(h.tickets[0], unread=2)


DOCTORED: list[tuple[Callable[[History], None], str]] = [
    (lose_a_message, "I1"),
    (store_a_refused_one, "I1"),
    (double_a_message, "I2"),
    (cross_a_company, "I2"),
    (swap_two_messages, "order"),
    (skip_a_seq, "I5"),
    (invert_two_events, "I5 sockets"),
    (publish_a_rolled_back_event, "I6"),
    (write_with_an_old_epoch, "I8"),
    (lower_an_ack, "I12"),
    (send_twice, "I13"),
    (send_out_of_order, "order out"),
    (claim_a_send_that_never_left, "I13"),
    (call_a_sent_one_failed, "I13"),
    (lose_a_reply, "I13"),
    (miscount_unread, "I16"),
]


@pytest.mark.parametrize(("doctor", "invariant"), DOCTORED, ids=lambda v: getattr(v, "__name__", v))
def test_a_doctored_history_is_rejected(doctor: Callable[[History], None], invariant: str) -> None:
    history = clean()
    doctor(history)
    assert invariant in {violation.split(": ")[0] for violation in check(history)}
