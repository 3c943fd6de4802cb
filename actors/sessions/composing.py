"""What a contact sees while an agent writes to it: an indicator that goes away by itself.

It is no message: stored nowhere, tried once, without a place in the conversation. What keeps it
from being shown is counted here and is no trouble of the agent's, and messages go first.
"""

import logging

import msgspec
import trio

from actors.channels.base import Accepted, Account, Channel, OutRead, Rejected
from storage.ids import ConnectionId

log = logging.getLogger(__name__)

MOST = 16
"""Under way at once, over all connections: a slow provider keeps no more connections from sends."""

PATIENCE = 10.0
REST = 30.0
"""Seconds in which a connection whose indicator failed shows none."""


class ComposingStats(msgspec.Struct):
    """What became of the indicators since the start. `dropped`: messages were in the way, or rest."""

    shown: int = 0
    dropped: int = 0
    failed: int = 0


class Composing:
    """The indicators of all sessions."""

    def __init__(self) -> None:
        self.stats = ComposingStats()
        self._under_way = 0
        self._resting: dict[ConnectionId, float] = {}

    def drop(self) -> None:
        """Count one that is not tried."""
        self.stats.dropped += 1

    def may(self, connection_id: ConnectionId) -> bool:
        """Whether one more may be tried now."""
        return (
            self._under_way < MOST and self._resting.get(connection_id, 0.0) <= trio.current_time()
        )

    async def show(self, channel: Channel, account: Account, message_id: str) -> None:
        """Try once to show that the message is being answered; marks it read as well. Never raises."""
        self._under_way += 1
        code, rest = "ERR_NO_ANSWER", REST
        try:
            with trio.move_on_after(PATIENCE):
                content = OutRead(message_id=message_id, typing=True)
                result = await channel.send(account, content, outbox_id=0)
                if isinstance(result, Accepted):
                    self.stats.shown += 1
                    self._resting.pop(ConnectionId(account.connection_id), None)
                    return
                if isinstance(result, Rejected):
                    code, rest = result.code, max(REST, result.retry_after)
        except Exception:
            log.exception("an indicator broke")
        finally:
            self._under_way -= 1
        self.stats.failed += 1
        self._resting[ConnectionId(account.connection_id)] = trio.current_time() + rest
        extra = {"connection": account.connection_id, "code": code}
        log.warning("a contact was not shown that an agent writes", extra=extra)
