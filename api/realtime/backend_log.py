"""The server's log, told live to the operators who look at it.

The loggers know of it only while somebody does. It says what the log on standard error says, with
the same fields left out, never more: what is not logged for the machine is not logged for a browser
either. A storm of lines is cut short and counted.
"""

import logging
import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import trio

from api.logs import entry_of
from api.realtime import rooms
from api.realtime.channel import Channel, Outgoing

EVENT: Final = "backendlog"
MOST: Final = 100
"""Lines of one batch; more are counted, not told."""

PAUSE: Final = 0.1
"""Seconds from one batch to the next."""

LONGEST: Final = 4_000
"""Characters of a text or traceback."""

_NAMED: Final = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
}
_NAMES: Final = {level: name for name, level in _NAMED.items()}


def said(*logs: object, level: int = logging.INFO, at: float | None = None) -> dict[str, Any]:
    """A line as frontends read it: milliseconds, a level ten above ours, texts and details."""
    moment = datetime.now(UTC).timestamp() if at is None else at
    return {"timestamp": math.floor(moment * 1000), "level": level + 10, "logs": list(logs)}


def line_of(record: logging.LogRecord) -> dict[str, Any]:
    """A record of ours as such a line."""
    entry = entry_of(record)
    text = str(entry.pop("text"))[:LONGEST]
    if "error" in entry:
        entry["error"] = str(entry["error"])[-LONGEST:]
    del entry["time"], entry["level"]
    details = msgspec.to_builtins(entry, enc_hook=str)
    return said(text, details, level=record.levelno, at=record.created)


class BackendLog(logging.Handler):
    """Hands lines from whatever thread logs them to the channels in which somebody looks."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._channels: dict[Channel, None] = {}
        self._lines: list[dict[str, Any]] = []
        self._left_out = 0
        self._woken = trio.Event()
        self._token: trio.lowlevel.TrioToken | None = None

    async def run(self) -> None:
        """Tell what is logged while somebody looks, for ever."""
        self._token = trio.lowlevel.current_trio_token()
        try:
            while True:
                await self._woken.wait()
                self._woken = trio.Event()
                self._tell()
                await trio.sleep(PAUSE)
        finally:
            logging.getLogger().removeHandler(self)

    def watch(self, channel: Channel) -> None:
        """Somebody of the channel looks."""
        self._channels[channel] = None
        logging.getLogger().addHandler(self)

    @property
    def level_name(self) -> str:
        """The least that is told, by the frontends' names."""
        least = max(self.level, logging.getLogger().level, logging.DEBUG)
        return _NAMES.get(least, "info")

    def choose(self, name: object) -> bool:
        """Tell only what is as grave as that; whether it changed anything."""
        before = self.level_name
        level = _NAMED.get(name) if isinstance(name, str) else None
        if level is not None and name != before:
            self.setLevel(level)
            self.say({"currentLevel": self.level_name}, f"log level: {self.level_name}")
            return True
        return False

    def say(self, *logs: object) -> None:
        """Tell everybody who looks."""
        self._publish((said(*logs),))

    def emit(self, record: logging.LogRecord) -> None:
        """Take one line; called under the handler's lock, from any thread."""
        if len(self._lines) >= MOST:
            self._left_out += 1
            return
        try:
            self._lines.append(line_of(record))
            if self._token is not None:
                self._token.run_sync_soon(self._wake, idempotent=True)
        except trio.RunFinishedError:
            return
        except Exception:  # noqa: BLE001 - as every handler: it must not break whoever logs
            self.handleError(record)

    def _wake(self) -> None:
        self._woken.set()

    def _tell(self) -> None:
        self.acquire()
        try:
            lines, self._lines = self._lines, []
            left_out, self._left_out = self._left_out, 0
        finally:
            self.release()
        if left_out:
            lines.append(said(f"{left_out} lines more were not told"))
        self._publish(lines)

    def _publish(self, lines: Iterable[dict[str, Any]]) -> None:
        where = (rooms.BACKEND_LOG,)
        for channel in [one for one in self._channels if not one.members(where)]:
            del self._channels[channel]
        if not self._channels:
            logging.getLogger().removeHandler(self)
        for line in lines:
            for channel in self._channels:
                channel.publish(where, Outgoing(EVENT, line, 0, volatile=True))
