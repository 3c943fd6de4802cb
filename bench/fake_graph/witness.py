"""The synced record of accepted sends: a line is on disk before its send is answered."""

import os
from pathlib import Path

import msgspec
import trio


class Line(msgspec.Struct, omit_defaults=True):
    """One accepted send. `outbox_id` is read from the callback data; `at` is monotonic ns."""

    provider_id: str
    phone_number_id: str
    to: str
    type: str
    at: int
    outbox_id: int | None = None
    body: str = ""


class Witness:
    """Appends lines; all that wait are written and synced together."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")
        self._waiting: list[bytes] = []
        self._synced = trio.Event()
        self._wake = trio.Event()
        self.lines = 0

    async def record(self, line: Line) -> None:
        """Returns when `line` is on disk."""
        self._waiting.append(msgspec.json.encode(line) + b"\n")
        synced = self._synced
        self._wake.set()
        await synced.wait()

    async def run(self) -> None:
        """Writes, for ever."""
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            batch, self._waiting = self._waiting, []
            done, self._synced = self._synced, trio.Event()
            await trio.to_thread.run_sync(self._write, b"".join(batch))
            self.lines += len(batch)
            done.set()

    def close(self) -> None:
        """Closes the file; nothing may be recorded afterwards."""
        self._file.close()

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._file.flush()
        os.fsync(self._file.fileno())


def read(path: Path) -> list[Line]:
    """Every whole line of a witness file (a kill may leave half of the last one)."""
    decoder = msgspec.json.Decoder(Line)
    raw = path.read_bytes() if path.exists() else b""
    return [decoder.decode(line) for line in raw.split(b"\n")[:-1] if line]
