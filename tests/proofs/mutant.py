"""The program without one of its mechanisms, named by CHATIA_MUTATION.

`python -m tests.proofs.mutant …` is the server so mutilated, `pytest -p tests.proofs.mutant …` are
tests of it. Each mutation is what a well-meaning simplification would do; a proof must turn red.
"""

import os
import sys
from collections.abc import Mapping
from typing import Any

from actors.sessions.actor import SessionActor
from actors.sessions.ledger import Entry
from actors.sessions.settling import step
from actors.tickets.deciding import Decider, Rule
from actors.tickets.decision import Decision
from api.__main__ import main


def remember_before_commit() -> None:
    """Ids of a decision enter the actor's memory although nobody knows yet whether it is kept."""
    draft = Decider._draft

    async def drafted(
        self: Decider, rule: Rule[Any], known: Mapping[str, Any] | None, refused: set[Any]
    ) -> tuple[Decision, Any]:
        decision, result = await draft(self, rule, known, refused)
        self.state.recent.add(decision._draft.claimed)
        return decision, result

    Decider._draft = drafted  # type: ignore[method-assign]


def apply_before_verdict() -> None:
    """The actor believes its decision before the database has it."""
    draft = Decider._draft

    async def drafted(
        self: Decider, rule: Rule[Any], known: Mapping[str, Any] | None, refused: set[Any]
    ) -> tuple[Decision, Any]:
        decision, result = await draft(self, rule, known, refused)
        if decision.unit is not None:
            decision.apply(self.state)
        return decision, result

    Decider._draft = drafted  # type: ignore[method-assign]


def resend_unknown() -> None:
    """A send that a dead process had begun is sent again."""

    async def doubt(self: SessionActor) -> None:
        now = self._ports.clock()
        rows = await self._ports.store.in_doubt(self._company_id, self._connection_id)
        for row in rows:
            if row.state == "sending":
                await self._ledger.commit(Entry(rows=[step(row, now, state="pending", due_at=now)]))

    SessionActor._doubt = doubt  # type: ignore[method-assign]


MUTATIONS = {
    mutation.__name__: mutation
    for mutation in (remember_before_commit, apply_before_verdict, resend_unknown)
}

if name := os.environ.get("CHATIA_MUTATION"):
    MUTATIONS[name]()

if __name__ == "__main__":
    sys.exit(main())
