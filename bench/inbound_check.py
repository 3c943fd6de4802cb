"""What the database says afterwards: every acknowledged message once, in its conversation's order."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import sqlalchemy as sa

from bench.inbound_seed import Seeded
from storage.database import open_database
from storage.messages import messages


class Verdict(msgspec.Struct):
    """Counts that must be 0."""

    lost: int = 0
    doubled: int = 0
    reordered: int = 0


def judge(bodies: Iterable[str], counts: Mapping[str, int]) -> Verdict:
    """Compare message texts in the order of `seq` with how many each conversation sent.

    A message that was sent but never acknowledged may be there too: it is not counted.
    """
    verdict = Verdict()
    seen: dict[str, set[int]] = {name: set() for name in counts}
    newest: dict[str, int] = {}
    for body in bodies:
        _, name, text, _ = body.split(":")
        number = int(text)
        known = seen.setdefault(name, set())
        if number in known:
            verdict.doubled += 1
        elif number < newest.get(name, -1):
            verdict.reordered += 1
        known.add(number)
        newest[name] = max(number, newest.get(name, -1))
    for name, count in counts.items():
        verdict.lost += len(set(range(count)) - seen[name])
    return verdict


async def check(dsn: str, world: Sequence[Seeded], counts: Mapping[str, int]) -> Verdict:
    """Read every company's messages in order and judge them."""
    bodies: list[str] = []
    async with open_database(dsn, pool=1) as database:
        for company in world:
            wanted = (
                sa.select(messages.c.body)
                .where(messages.c.company_id == company.company_id)
                .order_by(messages.c.seq)
            )
            bodies += [body for (body,) in await database.rows(wanted)]
    return judge(bodies, counts)
