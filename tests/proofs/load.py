"""Customers, agents and a listening browser, as the outside sees the server: every fate is noted."""

import random
import time
from collections import Counter

import msgspec
import trio

from tests.proofs.history import AckSeen, History, Reply, Seen, Sent
from tests.proofs.lines import Answer, Line, Lost, Silent, signed
from tests.proofs.world import PASSWORD, Company

PAUSE = 0.05
"""Seconds between two tries, at least; while nobody listens at all, there are none."""


class Fates:
    """Answers by status, the worst waiting times, and when the server was last heard well."""

    def __init__(self) -> None:
        self.customers: Counter[str] = Counter()
        self.agents: Counter[str] = Counter()
        self.latencies: list[float] = []
        self.silent: list[str] = []
        self.attempts = 0
        self.heard = trio.Event()
        self.refusals: list[Answer] = []

    def note(self, whose: Counter[str], answer: Answer | None) -> None:
        """Count one answer; None is a lost one."""
        self.attempts += 1
        whose["lost" if answer is None else str(answer.status)] += 1
        if answer is not None and answer.status != 200:
            self.refusals.append(answer)

    async def next_success(self) -> None:
        """Wait for a customer's message that is posted from now on and acknowledged."""
        self.heard = trio.Event()
        await self.heard.wait()


def text_body(phone_number_id: str, sender: str, provider_id: str, text: str) -> bytes:
    """One customer's text as the provider posts it."""
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550000000", "phone_number_id": phone_number_id},
        "contacts": [{"profile": {"name": f"Customer {sender}"}, "wa_id": sender}],
        "messages": [
            {
                "from": sender,
                "id": provider_id,
                "timestamp": str(int(time.time())),
                "type": "text",
                "text": {"body": text},
            }
        ],
    }
    entry = {"id": "0", "changes": [{"field": "messages", "value": value}]}
    return msgspec.json.encode({"object": "whatsapp_business_account", "entry": [entry]})


def numbers(count: int) -> list[str]:
    """The customers of each company."""
    return [f"4917600{n:05}" for n in range(count)]


class Load:
    """Everything that is done to one server; `history` fills while it runs."""

    def __init__(self, port: int, companies: list[Company], seed: int = 1) -> None:
        self.port = port
        self.paused: set[int] = set()
        """The ports of servers that were halted as they stood: they answer nobody."""
        self.companies = companies
        self.history = History()
        self.fates = Fates()
        self.stopping = False
        self.tokens: dict[int, str] = {}
        self._rng = random.Random(seed)
        self._keys = 0
        self._lines: list[Line] = []
        self._looking = trio.Lock()
        self._numbers: Counter[tuple[int, str]] = Counter()

    def move(self, port: int) -> None:
        """Send every request from now on to another server; open ones keep waiting for theirs."""
        self.port = port
        for line in self._lines:
            line.port = port

    def _line(self) -> Line:
        line = Line(self.port)
        self._lines.append(line)
        return line

    async def login(self) -> None:
        """Let the admins in."""
        line = self._line()
        for company in self.companies:
            body = msgspec.json.encode({"email": company.email, "password": PASSWORD})
            answer = await line.call(
                "POST", "/auth/login", body, {"content-type": "application/json"}
            )
            assert answer.status == 200, answer
            self.tokens[company.id] = answer.json["token"]  # type: ignore[index]
        await line.close()

    async def customers(self, per_company: int, rate: float) -> None:
        """All customers write, `rate` messages per second together, until `stopping`."""
        async with trio.open_nursery() as nursery:
            each = rate / (per_company * len(self.companies))
            for company in self.companies:
                for number in numbers(per_company):
                    nursery.start_soon(self._customer, company, number, each)

    async def _customer(self, company: Company, number: str, rate: float) -> None:
        line = self._line()
        due = trio.current_time() + self._rng.random() / rate
        while not self.stopping:
            await trio.sleep(max(0.0, due - trio.current_time()))
            due = max(due, trio.current_time() - 1.0) + self._rng.expovariate(rate)
            if not self.stopping:
                await self.say(line, company, number)
        await line.close()

    async def say_once(self, company: Company, number: str) -> None:
        """One message on a connection of its own."""
        line = self._line()
        await self.say(line, company, number)
        await line.close()

    async def say(self, line: Line, company: Company, number: str) -> None:
        """One message, repeated until it is acknowledged, as the provider does."""
        place = self._numbers[company.id, number]
        self._numbers[company.id, number] += 1
        provider_id = f"wamid.{company.id}.{number}.{place}"
        body = text_body(company.phone_number_id, number, provider_id, f"message {place}")
        start = time.monotonic()
        sent = Sent(
            company=company.id,
            conversation=number,
            number=place,
            provider_id=provider_id,
            start=start,
            end=start,
            outcome="unknown",
        )
        index = len(self.history.sent)
        self.history.sent.append(sent)
        while True:
            heard = self.fates.heard
            answer = await self._post(line, company.webhook, body, signed(company.secret, body))
            self.fates.note(self.fates.customers, answer)
            if answer is not None and answer.status == 200:
                break
            await self._pause(answer)
        heard.set()
        end = time.monotonic()
        self.fates.latencies.append(end - start)
        self.history.sent[index] = msgspec.structs.replace(sent, end=end, outcome="ok")

    async def _post(
        self, line: Line, path: str, body: bytes, headers: dict[str, str]
    ) -> Answer | None:
        try:
            return await line.call("POST", path, body, headers)
        except Silent:
            if line.opened not in self.paused:
                self.fates.silent.append(f"{trio.current_time():.3f} {path}")
        except Lost:
            pass
        return None

    async def _pause(self, answer: Answer | None) -> None:
        """Wait as long as the server asks for; when it is gone, one of all looks for its return."""
        if answer is not None:
            await trio.sleep(max(PAUSE, answer.retry_after))
            return
        async with self._looking:
            while True:
                if await self._listens():
                    return
                await trio.sleep(PAUSE)

    async def _listens(self) -> bool:
        try:
            await trio.aclose_forcefully(await trio.open_tcp_stream("127.0.0.1", self.port))
        except OSError:
            return False
        return True

    async def agents(self, tickets: dict[tuple[int, str], int], rate: float) -> None:
        """Agents answer, `rate` replies per second over all tickets, until `stopping`."""
        async with trio.open_nursery() as nursery:
            for (company, _), ticket in tickets.items():
                nursery.start_soon(self._agent, company, ticket, rate / len(tickets))

    async def _agent(self, company: int, ticket: int, rate: float) -> None:
        line = self._line()
        while not self.stopping:
            await trio.sleep(self._rng.expovariate(rate))
            if not self.stopping:
                await self.reply(line, company, ticket)
        await line.close()

    async def reply(self, line: Line, company: int, ticket: int) -> None:
        """One reply, repeated under its key until it is stored."""
        self._keys += 1
        key = f"reply-{self._keys}"
        index = len(self.history.replies)
        self.history.replies.append(Reply(company=company, key=key, outcome="unknown"))
        headers = {
            "authorization": f"Bearer {self.tokens[company]}",
            "content-type": "application/json",
            "idempotency-key": key,
        }
        body = msgspec.json.encode({"body": f"answer {key}"})
        while True:
            answer = await self._post(line, f"/messages/{ticket}", body, headers)
            self.fates.note(self.fates.agents, answer)
            if answer is not None and answer.status == 200:
                break
            await self._pause(answer)
        self.history.replies[index] = Reply(company=company, key=key, outcome="ok")

    def saw(self, socket: str, company: int, event: str, payload: dict[str, object]) -> None:
        """A browser received one event."""
        seq = payload.get("seq")
        if isinstance(seq, int) and seq:
            self.history.seen.append(Seen(socket=socket, company=company, seq=seq, kind=event))
        message = payload.get("message")
        if isinstance(message, dict) and message.get("fromMe") and message.get("id"):
            seen = AckSeen(
                socket=socket, provider_id=f"{company}:{message['id']}", ack=message["ack"]
            )
            self.history.acks.append(seen)
