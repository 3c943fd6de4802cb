"""N Socket.IO clients over raw websockets in one epoll loop.

Reads a JSON plan from standard input, prints `ready` when every client has joined its rooms, then
counts frames until a line `stop` arrives, and prints its findings as JSON; a line `mark` starts
the counting anew. Every frame is read; messages carry `b:<conversation>:<number>:<monotonic ns>`
in their body, which is looked for in the frames of *witness* clients (all of them); every
hundredth frame elsewhere is decoded.
"""

import os
import resource
import select
import socket
import sys
import time

import msgspec

from bench.load.frames import FrameReader, masked_text
from bench.load.lines import answer, read_plan

READ = 1 << 18
SAMPLE = 100
MARKER = b'"body":"b:'


class ClientPlan(msgspec.Struct):
    """One client: its token, the rooms to join, and whether it sees everything."""

    token: str
    joins: list[list[str]]
    witness: bool = False


class Plan(msgspec.Struct):
    """What to connect to, and as whom."""

    host: str
    port: int
    clients: list[ClientPlan]


class Findings(msgspec.Struct):
    """What was seen; latencies in milliseconds from the send to the frame's arrival.

    `missed` counts numbers that a witness never saw although it saw later ones.
    """

    frames: int = 0
    bytes: int = 0
    messages: int = 0
    latencies_ms: list[float] = []
    doubled: int = 0
    reordered: int = 0
    missed: int = 0
    disconnects: int = 0
    cpu_s: float = 0.0


class Client:
    """One connected agent."""

    def __init__(self, plan: ClientPlan, host: str, port: int) -> None:
        self.plan = plan
        self.reader = FrameReader()
        self.ready = False
        self.latest: dict[bytes, int] = {}
        self.sock = socket.create_connection((host, port), timeout=30)
        self.sock.sendall(
            b"GET /socket.io/?EIO=4&transport=websocket&token=%s HTTP/1.1\r\nHost: bench\r\n"
            b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n" % plan.token.encode()
        )
        head = b""
        while b"\r\n\r\n" not in head:
            part = self.sock.recv(4096)
            if not part:
                msg = f"socket refused: {head[:200]!r}"
                raise ConnectionError(msg)
            head += part
        if b" 101 " not in head.split(b"\r\n", 1)[0]:
            msg = f"no upgrade: {head[:300]!r}"
            raise ConnectionError(msg)
        self.pending = head.split(b"\r\n\r\n", 1)[1]
        self.sock.setblocking(False)

    def send(self, text: bytes) -> None:
        """Send one Engine.IO packet."""
        self.sock.send(masked_text(text))


class Watch:
    """The loop: reads every socket, keeps count."""

    def __init__(self, plan: Plan) -> None:
        self.findings = Findings()
        self.used = 0.0
        self.epoll = select.epoll()
        self.clients = {}
        for client_plan in plan.clients:
            client = Client(client_plan, plan.host, plan.port)
            self.clients[client.sock.fileno()] = client
            self.epoll.register(client.sock.fileno(), select.EPOLLIN)
            if client.pending:
                self.take(client, client.pending)

    def run(self) -> None:
        """Read until `stop` comes in on standard input."""
        self.mark()
        self.epoll.register(sys.stdin.fileno(), select.EPOLLIN)
        announced = False
        while True:
            for fd, _ in self.epoll.poll(1.0):
                if fd != sys.stdin.fileno():
                    self.read(fd)
                    continue
                said = os.read(fd, 64)  # both at once, when this process got no turn in between
                if b"mark" in said:
                    self.mark()
                if b"stop" in said or not said:
                    self.findings.cpu_s = spent() - self.used
                    return
            if not announced and all(client.ready for client in self.clients.values()):
                announced = True
                print("ready", flush=True)

    def mark(self) -> None:
        """Forget the counts so far; what every witness saw last stays known."""
        self.findings = Findings()
        self.used = spent()

    def read(self, fd: int) -> None:
        client = self.clients[fd]
        try:
            data = client.sock.recv(READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.findings.disconnects += 1
            self.epoll.unregister(fd)
            return
        self.take(client, data)

    def take(self, client: Client, data: bytes) -> None:
        now = time.monotonic_ns()
        findings = self.findings
        findings.bytes += len(data)
        for opcode, payload in client.reader.feed(data):
            if opcode != 1:
                continue
            if payload[:2] == b"42":
                findings.frames += 1
                if client.plan.witness:
                    self.witness(client, payload, now)
                elif findings.frames % SAMPLE == 0:
                    msgspec.json.decode(payload[2:])
                if not client.ready and b'"ready"' in payload[:12]:
                    for join in client.plan.joins:
                        client.send(b"42" + msgspec.json.encode(join))
                    client.ready = True
            elif payload[:1] == b"0":
                client.send(b"40")
            elif payload == b"2":
                client.send(b"3")

    def witness(self, client: Client, payload: bytes, now: int) -> None:
        if b"-appMessage" not in payload[:40] or b'"action":"create"' not in payload:
            return
        at = payload.find(MARKER)
        if at < 0:
            return
        at += len(MARKER)
        conversation, number, sent = payload[at : payload.index(b'"', at)].split(b":")
        findings = self.findings
        findings.messages += 1
        findings.latencies_ms.append((now - int(sent)) / 1e6)
        last = client.latest.get(conversation, -1)
        if int(number) == last:
            findings.doubled += 1
        elif int(number) < last:
            findings.reordered += 1
        else:
            findings.missed += int(number) - last - 1
        client.latest[conversation] = max(last, int(number))


def spent() -> float:
    """CPU seconds of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Run one plan; see the module's docstring."""
    watch = Watch(read_plan(Plan))
    watch.run()
    answer(watch.findings)


if __name__ == "__main__":
    main()
