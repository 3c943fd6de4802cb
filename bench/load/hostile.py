"""Clients that mean harm, one kind at a time: `hostile KIND PORT SECONDS` prints what it did.

One thread, blocking sockets with short time-outs: enough to keep a server busy, and paced where
an unpaced loop would only measure who gets the processor.
"""

import socket
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

import msgspec

from bench.load.frames import masked_text

SOCKETS = "/socket.io/?EIO=4&transport={}&token=bench{}"
UPGRADE = (
    "GET {} HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
GARBAGE = (
    b"\x83\x80aaaa",  # a reserved opcode
    b"\x81\x05hello",  # not masked
    b"\xf1\x80aaaa",  # reserved bits
    b"\x81\x82aaaa\xa2\xa2",  # not UTF-8
    b"\x89\xfe\x01\x00aaaa",  # a control frame of 256 bytes
    b"\x80\x80aaaa",  # a continuation of nothing
    masked_text(b"4abc"),  # no packet
    masked_text(b"42{}"),  # an event that is no list
    masked_text(b"9"),
    masked_text(b"42" + b"[" * 50_000),
)


class Deed(msgspec.Struct):
    """How often it was done, and how often the server hung up or refused."""

    kind: str
    done: int = 0
    refused: int = 0


@contextmanager
def connection(port: int, *, buffer: int = 0) -> Generator[socket.socket]:
    """A TCP connection; errors of a server that hangs up are what is hoped for."""
    with socket.socket() as sock:
        if buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        sock.settimeout(2.0)
        with suppress(OSError):
            sock.connect(("127.0.0.1", port))
            yield sock


def upgraded(port: int, *, buffer: int = 0) -> socket.socket:
    """A websocket that joined the company."""
    sock = socket.socket()
    if buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    sock.settimeout(5.0)
    sock.connect(("127.0.0.1", port))
    sock.sendall(UPGRADE.format(SOCKETS.format("websocket", "")).encode() + masked_text(b"40"))
    sock.recv(4096)
    return sock


def stopped_reading(port: int, until: float, deed: Deed) -> None:
    """20 clients join and never read again; whoever is dropped is replaced."""
    socks = [upgraded(port, buffer=4096) for _ in range(20)]
    deed.done = len(socks)
    while time.monotonic() < until:
        time.sleep(0.1)
        for place, sock in enumerate(socks):
            try:
                sock.sendall(masked_text(b"3"))
            except OSError:
                deed.refused += 1
                sock.close()
                socks[place] = upgraded(port, buffer=4096)
                deed.done += 1


def malformed(port: int, until: float, deed: Deed) -> None:
    """Connect, send one broken frame of every kind in turn, wait for the hang-up, again."""
    while time.monotonic() < until:
        for garbage in GARBAGE:
            with suppress(OSError), upgraded(port) as sock:
                sock.sendall(garbage)
                deed.done += 1
                while sock.recv(65536):
                    pass
                deed.refused += 1
            time.sleep(0.002)


def flood(port: int, until: float, deed: Deed) -> None:
    """40 clients send frames that mean nothing, as many as the server takes."""
    socks = [upgraded(port) for _ in range(40)]
    pongs = masked_text(b"3") * 10_000
    for sock in socks:
        sock.setblocking(False)
    while time.monotonic() < until:
        for sock in socks:
            with suppress(BlockingIOError):
                deed.done += sock.send(pongs) // 7
        time.sleep(0.002)


def half_open(port: int, until: float, deed: Deed) -> None:
    """2,000 connections that begin a request and never end it; closed ones are opened again."""
    socks: list[socket.socket] = []
    for _ in range(2000):
        sock = socket.create_connection(("127.0.0.1", port))
        sock.sendall(b"GET /socket.io/?EIO=4 HTTP/1.1\r\nHost: b")
        socks.append(sock)
        deed.done += 1
        if deed.done % 50 == 0:
            time.sleep(0.02)
    while time.monotonic() < until:
        time.sleep(0.5)
        for sock in socks:
            with suppress(BlockingIOError, OSError):
                sock.setblocking(False)
                if not sock.recv(512):
                    deed.refused += 1


def big_frame(port: int, until: float, deed: Deed) -> None:
    """Say that a frame of 64 MB comes, and send it; by polling, a body of 64 MB."""
    chunk = b"x" * (1 << 16)
    while time.monotonic() < until:
        with suppress(OSError), upgraded(port) as sock:
            deed.done += 1
            try:
                sock.sendall(b"\x81\xff" + (1 << 26).to_bytes(8, "big") + b"aaaa")
                for _ in range(1 << 10):
                    sock.sendall(chunk)
            except OSError:
                deed.refused += 1
        with connection(port) as sock:
            path = SOCKETS.format("polling", "")
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: b\r\n\r\n".encode())
            sid = sock.recv(4096).partition(b'"sid":"')[2].partition(b'"')[0].decode()
            path = SOCKETS.format("polling", f"&sid={sid}")
            head = f"POST {path} HTTP/1.1\r\nHost: b\r\nContent-Length: {1 << 26}\r\n\r\n"
            deed.done += 1
            try:
                sock.sendall(head.encode())
                for _ in range(1 << 10):
                    sock.sendall(chunk)
            except OSError:
                deed.refused += 1
        time.sleep(0.02)


def upgrade_storm(port: int, until: float, deed: Deed) -> None:
    """Open by polling, probe the upgrade, and leave half of them there; 250 a second at most."""
    left: list[socket.socket] = []
    while time.monotonic() < until:
        with suppress(OSError):
            with connection(port) as sock:
                path = SOCKETS.format("polling", "")
                sock.sendall(f"GET {path} HTTP/1.1\r\nHost: b\r\n\r\n".encode())
                sid = sock.recv(4096).partition(b'"sid":"')[2].partition(b'"')[0].decode()
            path = SOCKETS.format("websocket", f"&sid={sid}")
            probe = socket.create_connection(("127.0.0.1", port))
            probe.sendall(UPGRADE.format(path).encode() + masked_text(b"2probe"))
            deed.done += 1
            if deed.done % 2:
                left.append(probe)
            else:
                probe.sendall(masked_text(b"5") + masked_text(b"40"))
                probe.close()
        time.sleep(0.003)


KINDS: dict[str, Callable[[int, float, Deed], None]] = {
    "stopped reading": stopped_reading,
    "malformed frames": malformed,
    "flood of frames": flood,
    "2,000 half-open": half_open,
    "64 MB frames": big_frame,
    "upgrade storm": upgrade_storm,
}


def main() -> None:
    """Do one kind of harm for a while."""
    kind, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    deed = Deed(kind)
    KINDS[kind](port, time.monotonic() + seconds, deed)
    print(msgspec.json.encode(deed).decode(), flush=True)


if __name__ == "__main__":
    main()
