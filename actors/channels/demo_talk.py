"""Small conversations in Portuguese, so that a newcomer sees tickets move without a phone."""

import heapq
import math
import random
from collections.abc import Sequence

import msgspec
import trio

from actors.channels.base import Account, Identity, Media
from actors.channels.simulator import Sent, Simulator

_NAMES = (
    "Ana Souza", "Bruno Lima", "Carla Mendes", "Diego Rocha", "Eduarda Alves", "Felipe Costa",
    "Gabriela Nunes", "Henrique Dias", "Isabela Pires", "João Pedro", "Larissa Gomes",
    "Marcos Vinícius", "Natália Freitas", "Otávio Ramos", "Patrícia Melo", "Rafael Teixeira",
)  # fmt: skip

#: What one customer says: "…" waits for the agent's answer, "[image]" and so on send a file.
_TALKS: tuple[tuple[str, ...], ...] = (
    (
        "Oi, bom dia!",
        "Fiz um pedido na sexta e ainda não chegou 😕",
        "O número é 48213",
        "…",
        "Ah, entendi. Consegue me mandar o código de rastreio?",
        "…",
        "Perfeito, obrigado pela ajuda! 👏",
    ),
    (
        "Boa tarde, vocês têm o tênis preto no 41?",
        "[image]Esse aqui da vitrine",
        "…",
        "Ótimo! Aceita Pix?",
        "…",
        "Fechado, vou pagar agora",
    ),
    (
        "Olá, preciso da segunda via do boleto",
        "…",
        "CPF 000.000.000-00, em nome de Maria",
        "…",
        "Recebi, muito obrigada!",
    ),
    (
        "Meu aparelho parou de ligar",
        "[audio]",
        "Comprei faz dois meses, ainda está na garantia?",
        "…",
        "[document]Segue a nota fiscal",
        "…",
        "Combinado, levo amanhã cedo então",
    ),
    (
        "Qual o horário de atendimento no sábado?",
        "…",
        "Valeu! 🙏",
    ),
    (
        "Quero remarcar minha consulta de quinta",
        "Pode ser sexta às 15h?",
        "…",
        "Confirmado, até lá!",
    ),
)  # fmt: skip

WAIT = "…"


class Talk(msgspec.Struct, frozen=True, kw_only=True):
    """One customer and what they will say, in order; `WAIT` pauses for the agent's answer."""

    customer: Identity
    name: str
    lines: tuple[str, ...]


class DemoPace(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds: between conversations, between lines, and how long a customer waits for an answer."""

    between_talks: float = 20.0
    between_lines: float = 3.0
    patience: float = 120.0


def talk(rng: random.Random, number: int) -> Talk:
    """The `number`-th conversation; the same seed gives the same customer and lines."""
    name = rng.choice(_NAMES)
    phone = f"55119{90_000_000 + number % 10_000_000:08d}"
    return Talk(customer=Identity(phone=phone), name=name, lines=rng.choice(_TALKS))


def _media(line: str) -> tuple[str, Media | None]:
    if not line.startswith("["):
        return line, None
    kind, _, caption = line[1:].partition("]")
    named = {"image": "foto.png", "audio": "audio.wav", "document": "nota-fiscal.pdf"}
    mimes = {"image": "image/png", "audio": "audio/wav", "document": "application/pdf"}
    return caption, Media(
        kind=kind,
        id=f"sim-{kind}",
        mime=mimes.get(kind, "image/png"),
        filename=named.get(kind, kind),
        caption=caption,
        voice=kind == "audio",
    )


class _Stage:
    """The customers on stage: who speaks when; one that waits is woken by an answer."""

    def __init__(self, rng: random.Random, pace: DemoPace) -> None:
        self._rng = rng
        self._pace = pace
        self._speaking: list[tuple[float, int, Account, Talk]] = []
        self._waiting: dict[str, tuple[float, int, Account, Talk]] = {}
        self.woken = trio.Event()

    def enter(self, number: int, account: Account) -> None:
        """Customer `number` comes in and speaks after a moment."""
        self._schedule(number, account, talk(self._rng, number))

    def _schedule(self, number: int, account: Account, scene: Talk) -> None:
        due = trio.current_time() + self._pace.between_lines * self._rng.uniform(0.7, 1.6)
        if scene.lines[0] == WAIT:
            rest = msgspec.structs.replace(scene, lines=scene.lines[1:])
            self._waiting[scene.customer.phone] = (due + self._pace.patience, number, account, rest)
        else:
            heapq.heappush(self._speaking, (due, number, account, scene))

    def answered(self, sent: Sent) -> None:
        """A message for a customer arrived at the far end."""
        waiting = self._waiting.pop(sent.message.to.phone, None)
        if waiting is not None:
            _, number, account, scene = waiting
            self._schedule(number, account, scene)
            self.woken.set()

    def next_due(self) -> float:
        """When somebody speaks or loses patience (trio's clock); never = infinity."""
        times = [entry[0] for entry in (*self._speaking[:1], *self._waiting.values())]
        return min(times, default=math.inf)

    async def speak(self, simulator: Simulator) -> None:
        """Everybody who is due says one line; who waited too long leaves."""
        now = trio.current_time()
        for phone, waiting in list(self._waiting.items()):
            if waiting[0] <= now:
                del self._waiting[phone]
        while self._speaking and self._speaking[0][0] <= now:
            _, number, account, scene = heapq.heappop(self._speaking)
            body, media = _media(scene.lines[0])
            message = simulator.text(scene.customer, body, name=scene.name, media=media)
            if len(scene.lines) > 1:
                rest = msgspec.structs.replace(scene, lines=scene.lines[1:])
                self._schedule(number, account, rest)
            await simulator.receive(account, scene.customer, scene.name, [message])


async def play(
    simulator: Simulator,
    accounts: Sequence[Account],
    *,
    pace: DemoPace | None = None,
    seed: int = 0,
    talks: int | None = None,
) -> None:
    """Plays `talks` conversations (None = for ever), several at a time, over `accounts` in turn."""
    pace = pace or DemoPace()
    stage = _Stage(random.Random(seed), pace)
    simulator.watch(stage.answered)
    number, entrance = 0, trio.current_time()
    while True:
        more = talks is None or number < talks
        if more and trio.current_time() >= entrance:
            stage.enter(number, accounts[number % len(accounts)])
            number += 1
            entrance += pace.between_talks
            continue
        due = min(stage.next_due(), entrance if more else math.inf)
        if due == math.inf:
            return
        stage.woken = trio.Event()
        with trio.move_on_at(due):
            await stage.woken.wait()
        await stage.speak(simulator)
