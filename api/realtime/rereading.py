"""The event log read again for a client that was away longer than the buffer remembers."""

from collections.abc import Iterator

from api.realtime import wire
from api.realtime.channel import Outgoing
from api.realtime.ports import EventsAgain
from api.realtime.recovery import Gap, Log, Reread
from storage.events import DomainEvent
from storage.ids import CompanyId


def outgoing(seq: int, event: DomainEvent) -> Iterator[tuple[wire.Rooms, Outgoing]]:
    """The rooms and wire events of one committed event, or of one without a number here."""
    told = list(wire.pushes(event))
    for place, push in enumerate(told, 1):
        payload = {**push.payload, "seq": seq} if seq else push.payload
        yield push.rooms, Outgoing(push.name, payload, seq, push.volatile, place == len(told))


async def reread(read: EventsAgain, company_id: CompanyId, gap: Gap, log: Log) -> Reread | None:
    """Everything in the gap; None when one event is missing or has nothing left to show."""
    entries: list[tuple[wire.Rooms, bytes]] = []
    reached = gap.since
    while reached < gap.until:
        page = await read(company_id, reached, gap.until - reached)
        if not page:
            return None
        for seq, event in page:
            if event is None or seq != reached + 1:
                return None
            reached = seq
            for rooms, told in outgoing(seq, event):
                if not told.volatile:
                    entries.append((rooms, log.encode_again(told)))
    return Reread(gap.until, entries)
