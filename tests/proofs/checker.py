"""The offline checker: observations in, violated invariants out. It shares no code with the server.

Each check is one invariant: I1 acknowledged ⇒ stored; I2 one row per claim; order within a
conversation; I5 gapless sequence, increasing on each socket; I6 no event before its commit;
I8 no write of a past epoch; I12 delivery state never falls; I13 a network send at most once;
I16 unread equals a recount.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

from tests.proofs.history import History

Check = Callable[[History], Iterator[str]]


def check(history: History) -> list[str]:
    """Return every violation found, each with its invariant's name in front."""
    return [f"{name}: {text}" for name, run in CHECKS.items() for text in run(history)]


def _acknowledged_is_stored(history: History) -> Iterator[str]:
    stored = Counter((row.company, row.provider_id) for row in history.stored if not row.from_me)
    for sent in history.sent:
        count = stored[sent.company, sent.provider_id]
        if sent.outcome == "ok" and count != 1:
            yield f"{sent.provider_id} was acknowledged and is stored {count} times"
        if sent.outcome == "fail" and count:
            yield f"{sent.provider_id} was refused and is stored"


def _one_row_per_claim(history: History) -> Iterator[str]:
    counts = Counter((row.company, row.provider_id) for row in history.stored)
    for (company, provider_id), count in counts.items():
        if count > 1:
            yield f"{provider_id} of company {company} is stored {count} times"
    sent = {(one.company, one.provider_id) for one in history.sent}
    for row in history.stored:
        if not row.from_me and (row.company, row.provider_id) not in sent:
            yield f"{row.provider_id} is stored in company {row.company} and was never sent there"


def _conversations_keep_their_order(history: History) -> Iterator[str]:
    number = {(one.company, one.provider_id): one.number for one in history.sent}
    rows = [row for row in history.stored if not row.from_me]
    last: dict[tuple[int, str], int] = {}
    for row in sorted(rows, key=lambda row: row.seq):
        place = number.get((row.company, row.provider_id), -1)
        conversation = (row.company, row.conversation)
        if place < last.get(conversation, -1):
            yield f"{row.provider_id} is stored after message {last[conversation]}"
        last[conversation] = max(place, last.get(conversation, -1))


def _sequence_is_gapless(history: History) -> Iterator[str]:
    by_company: dict[int, list[int]] = defaultdict(list)
    for event in history.events:
        by_company[event.company].append(event.seq)
    for company, seqs in by_company.items():
        if sorted(seqs) != list(range(1, len(seqs) + 1)):
            yield f"company {company}: {len(seqs)} events, highest seq {max(seqs)}"


def _sockets_see_increasing_seqs(history: History) -> Iterator[str]:
    last: dict[tuple[str, int], int] = {}
    for seen in history.seen:
        key = (seen.socket, seen.company)
        if seen.seq < last.get(key, 0):
            yield f"{seen.socket} received seq {seen.seq} after {last[key]}"
        last[key] = seen.seq


def _nothing_is_seen_before_its_commit(history: History) -> Iterator[str]:
    committed = {(event.company, event.seq) for event in history.events}
    for seen in history.seen:
        if (seen.company, seen.seq) not in committed:
            yield f"{seen.socket} received seq {seen.seq}, which was never committed"


def _no_write_of_a_past_epoch(history: History) -> Iterator[str]:
    highest: dict[int, int] = defaultdict(int)
    for write in history.batches:
        if write.epoch < highest[write.shard]:
            before = highest[write.shard]
            yield f"batch {write.batch} of epoch {write.epoch} committed after epoch {before}"
        highest[write.shard] = max(highest[write.shard], write.epoch)


def _delivery_state_never_falls(history: History) -> Iterator[str]:
    last: dict[tuple[str, str], int] = {}
    for seen in history.acks:
        key = (seen.socket, seen.provider_id)
        if seen.ack < last.get(key, -1):
            yield f"{seen.provider_id} fell from {last[key]} to {seen.ack}"
        last[key] = seen.ack


def _a_send_leaves_at_most_once(history: History) -> Iterator[str]:
    rows = {row.id: row for row in history.outbox}
    sends: dict[int, list[str]] = defaultdict(list)
    for accepted in history.accepted:
        sends[accepted.outbox_id].append(accepted.provider_id)
    for outbox_id, ids in sends.items():
        row = rows.get(outbox_id)
        if row is None:
            yield f"outbox {outbox_id} was sent and has no row"
        elif row.same_id_channel and len(set(ids)) > 1:
            yield f"outbox {outbox_id} was sent under {len(set(ids))} ids"
        elif not row.same_id_channel and len(ids) > 1:
            yield f"outbox {outbox_id} was sent {len(ids)} times"
    yield from _replies_are_accounted_for(history, sends)


def _replies_are_accounted_for(history: History, sends: dict[int, list[str]]) -> Iterator[str]:
    by_key: dict[str, list[int]] = defaultdict(list)
    for row in history.outbox:
        by_key[row.key].append(row.id)
        if row.state == "sent" and not sends.get(row.id):
            yield f"outbox {row.id} says sent and never reached the provider"
        if row.state == "failed" and sends.get(row.id):
            yield f"outbox {row.id} says failed and reached the provider"
    for reply in history.replies:
        count = len(by_key[reply.key])
        if count > 1 or (reply.outcome == "ok" and count != 1):
            yield f"reply {reply.key} ({reply.outcome}) has {count} outbox rows"


def _sends_keep_their_order(history: History) -> Iterator[str]:
    last: dict[str, int] = {}
    for accepted in history.accepted:
        before = last.get(accepted.conversation, 0)
        if accepted.outbox_id < before:
            yield f"outbox {accepted.outbox_id} was sent after {before}"
        last[accepted.conversation] = max(before, accepted.outbox_id)


def _unread_equals_a_recount(history: History) -> Iterator[str]:
    unread = Counter(
        (row.company, row.conversation)
        for row in history.stored
        if not row.from_me and not row.read
    )
    for ticket in history.tickets:
        count = unread[ticket.company, ticket.conversation]
        if ticket.unread != count:
            yield f"{ticket.conversation} says {ticket.unread} unread, {count} are"


CHECKS: dict[str, Check] = {
    "I1": _acknowledged_is_stored,
    "I2": _one_row_per_claim,
    "order": _conversations_keep_their_order,
    "I5": _sequence_is_gapless,
    "I5 sockets": _sockets_see_increasing_seqs,
    "I6": _nothing_is_seen_before_its_commit,
    "I8": _no_write_of_a_past_epoch,
    "I12": _delivery_state_never_falls,
    "I13": _a_send_leaves_at_most_once,
    "order out": _sends_keep_their_order,
    "I16": _unread_equals_a_recount,
}
