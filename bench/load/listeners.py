"""N websocket listeners in one epoll loop, and the publisher that makes the server fire.

Reads a JSON plan from standard input and prints `ready` when all are connected. Then for every
line `go <seconds>` it fires rounds one after the other: `fire` with the burst size, wait until
every listener has every event, again; and prints its findings as JSON. Every frame is read and
cut out, one in `SAMPLE` is looked into for its send time.
"""

import resource
import select
import socket
import sys
import time

import msgspec

from bench.load.frames import FrameReader, masked_text

READ = 1 << 18
SAMPLE = 23
TIME = b'"t":'


class Plan(msgspec.Struct):
    """Where to connect, how many listeners, events in a burst, seconds between bursts."""

    port: int
    clients: int
    burst: int
    path: str = "/socket.io/?EIO=4&transport=websocket&token=bench"
    inbound: bool = False
    pause: float = 0.0


class Findings(msgspec.Struct):
    """What arrived in how long; latencies from the server's emit to the read, in milliseconds."""

    deliveries: int = 0
    rounds: int = 0
    seconds: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    cpu_s: float = 0.0


class Listeners:
    """The connections and the counting."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.epoll = select.epoll()
        self.socks: dict[int, tuple[socket.socket, FrameReader]] = {}
        self.publisher: socket.socket | None = None
        self.received = 0
        self.acknowledged = 0
        self.answer = b""
        self.latencies: list[float] = []

    def connect(self) -> None:
        """Open and join every connection, one after the other."""
        for _ in range(self.plan.clients):
            sock = socket.create_connection(("127.0.0.1", self.plan.port))
            sock.sendall(
                f"GET {self.plan.path} HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
            )
            reader = FrameReader()
            head = b""
            while b"\r\n\r\n" not in head:
                head += sock.recv(4096)
            sock.sendall(masked_text(b"40"))
            wanted, data = b'40{"sid"', head.partition(b"\r\n\r\n")[2]
            while True:
                frames = [payload for _, payload in reader.feed(data)]
                if any(payload.startswith(wanted) for payload in frames):
                    break
                data = sock.recv(4096)
            sock.setblocking(False)
            self.socks[sock.fileno()] = (sock, reader)
            self.epoll.register(sock.fileno(), select.EPOLLIN)
            self.publisher = self.publisher or sock

    def pump(self, timeout: float) -> None:
        """Read whatever is there."""
        for fd, _ in self.epoll.poll(timeout, 512):
            sock, reader = self.socks[fd]
            try:
                data = sock.recv(READ)
            except BlockingIOError:
                continue
            if not data:
                sys.exit("the server closed a connection")
            for opcode, payload in reader.feed(data):
                if opcode == 1:
                    self.take(sock, payload)

    def take(self, sock: socket.socket, payload: bytes) -> None:
        """Count an event, answer a ping."""
        if payload.startswith(b"42"):
            self.received += 1
            if self.received % SAMPLE == 0 and (at := payload.find(TIME)) > 0:
                sent = int(payload[at + 4 : payload.find(b"}", at)].split(b",")[0])
                self.latencies.append((time.monotonic_ns() - sent) / 1e6)
        elif payload.startswith(b"43"):
            self.acknowledged += 1
            self.answer = payload
        elif payload == b"2":
            sock.send(masked_text(b"3"))

    def settle(self) -> None:
        """Forget what came with the connecting."""
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            self.pump(0.05)
        self.received = self.acknowledged = 0
        self.latencies.clear()

    def fire(self, seconds: float) -> Findings:
        """Rounds for `seconds`, each waiting for the one before."""
        assert self.publisher is not None
        order = masked_text(b'42["fire",%d]' % self.plan.burst)
        each = self.plan.clients * self.plan.burst
        start, wanted, rounds = time.monotonic(), 0, 0
        cpu = resource.getrusage(resource.RUSAGE_SELF)
        while time.monotonic() - start < seconds:
            self.publisher.send(order)
            wanted += each
            rounds += 1
            while self.received < wanted:
                self.pump(1.0)
            if self.plan.pause:
                time.sleep(self.plan.pause)
        return self.findings(self.received, rounds, time.monotonic() - start, cpu)

    def send(self, seconds: float) -> Findings:
        """Every client sends events; each asks for an answer to its last one of a round."""
        text = b'["presenceUpdate",{"ticketId":123456,"presence":"composing"}]'
        burst = masked_text(b"42" + text) * (self.plan.burst - 1) + masked_text(b'420["count"]')
        start, wanted, rounds = time.monotonic(), 0, 0
        cpu = resource.getrusage(resource.RUSAGE_SELF)
        while time.monotonic() - start < seconds:
            for sock, _ in self.socks.values():
                sock.send(burst)
            wanted += len(self.socks)
            rounds += 1
            while self.acknowledged < wanted:
                self.pump(1.0)
        count = rounds * len(self.socks) * self.plan.burst
        return self.findings(count, rounds, time.monotonic() - start, cpu)

    def ask(self, name: str) -> bytes:
        """One event that the server answers; the answer's JSON."""
        assert self.publisher is not None
        self.answer = b""
        self.publisher.send(masked_text(b'427["%s"]' % name.encode()))
        while not self.answer:
            self.pump(1.0)
        return self.answer[3:]  # 437[...]

    def findings(
        self, count: int, rounds: int, seconds: float, before: resource.struct_rusage
    ) -> Findings:
        """Sum up."""
        after = resource.getrusage(resource.RUSAGE_SELF)
        late = sorted(self.latencies) or [0.0]
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Findings(
            deliveries=count,
            rounds=rounds,
            seconds=seconds,
            p50_ms=late[len(late) // 2],
            p99_ms=late[min(len(late) - 1, int(len(late) * 0.99))],
            cpu_s=spent,
        )


def wait_or_ask(listeners: Listeners, order: str, argument: str) -> str:
    """`quiet SECONDS`: only listen. Anything else is an event whose answer is printed."""
    if order != "quiet":
        return listeners.ask(order).decode()
    until = time.monotonic() + float(argument)
    while time.monotonic() < until:
        listeners.pump(0.05)
    return "null"


def main() -> None:
    """Connect, then work through the orders."""
    plan = msgspec.json.decode(sys.stdin.readline(), type=Plan)
    listeners = Listeners(plan)
    listeners.connect()
    print("ready", flush=True)
    for line in sys.stdin:
        order, _, argument = line.strip().partition(" ")
        if order != "go":
            print(wait_or_ask(listeners, order, argument), flush=True)
            continue
        listeners.settle()
        seconds = float(argument)
        found = listeners.send(seconds) if plan.inbound else listeners.fire(seconds)
        print(msgspec.json.encode(found).decode(), flush=True)


if __name__ == "__main__":
    main()
