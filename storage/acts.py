"""Acts: what one request of a person or a program does, known to whatever commits meanwhile.

An act is in force (`acting`) in the task that serves its request, and in no other: tasks started
meanwhile may live on and work for others. Transactions, commands and units made under it carry it
along by themselves, so that no route and no rule has to hand it on.
"""

from contextvars import ContextVar, Token
from typing import Final

import msgspec
from trio.lowlevel import Task, current_task

from storage.ids import CompanyId, UserId

Field = int | str | None
"""A number or switch as it was set, a keyed digest of anything else, None for a secret or nothing."""

Change = tuple[str, str, int | None]
"""What was done to a row: insert, update…; its table; its id where the statement tells."""

Once = tuple[CompanyId, UserId, str]
"""Whose idempotency key it is, and the key."""

MOST_CHANGES: Final = 50
"""So many rows of one commit are named; the others are only counted."""


class Act(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who does what, from where. Holds ids and keyed digests, never a personal value.

    `company_id` is the actor's own company: operators act on others, and who signs up has none yet.
    `behind_id` (of `behind_company_id`) is the operator who really acts while `user_id` is
    impersonated. `session` names the login session, whose record
    keeps the address in clear for as long as it lives; `address` is a digest. `row` is the first
    id in the request's path. `once` is the idempotency key under which this happens: the
    transaction that changes something takes it with it, so there is only one.
    """

    company_id: CompanyId | None = None
    user_id: UserId | None = None
    behind_id: UserId | None = None
    behind_company_id: CompanyId | None = None
    token_id: int | None = None
    connection_id: int | None = None
    session: str = ""
    address: str = ""
    request: str = ""
    noun: str = ""
    action: str = ""
    row: int | None = None
    fields: dict[str, Field] = {}
    once: Once | None = None

    def __hash__(self) -> int:
        """All alike: a command that crashes its actor is the same poison whoever repeats it."""
        return 0


_acting: ContextVar[tuple[Task, Act | None] | None] = ContextVar("act", default=None)


def current() -> Act | None:
    """The act in force here, or None where nobody in particular acts (inbound traffic, the clock)."""
    found = _acting.get()
    if found is None or found[0] is not current_task():  # a task inherits its parent's variables
        return None
    return found[1]


class acting:
    """Put an act in force for the length of a block. A class: every write of a request enters one."""

    __slots__ = ("_act", "_token")

    def __init__(self, act: Act | None) -> None:
        self._act = act
        self._token: Token[tuple[Task, Act | None] | None] | None = None

    def __enter__(self) -> None:
        self._token = _acting.set((current_task(), self._act))

    def __exit__(self, *_: object) -> None:
        assert self._token is not None
        _acting.reset(self._token)
