"""How a load process is spoken to: one line of JSON in, one line of JSON out, each whole or not at all."""

import os
import sys
from typing import TypeVar

import msgspec

T = TypeVar("T")


def read_plan(kind: type[T]) -> T:
    """The line on standard input, unbuffered: what is said after it is there for `select` to find.

    Ends the process when it is cut off: whoever gave the orders is gone, and wants no answer.
    """
    line = bytearray()
    while not line.endswith(b"\n"):
        part = os.read(sys.stdin.fileno(), 1 << 16)
        if not part:
            message = f"{sys.argv[0]}: the plan was cut off after {len(line)} bytes"
            raise SystemExit(message)
        line += part
    return msgspec.json.decode(line, type=kind)


def answer(found: msgspec.Struct) -> None:
    """Print what was found; returns when all of it is in the reader's hands or in its pipe."""
    rest = memoryview(msgspec.json.encode(found) + b"\n")
    while rest:
        rest = rest[os.write(sys.stdout.fileno(), rest) :]
