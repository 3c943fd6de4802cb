"""What the fake does with the next sends; set by flags or by `POST /_control`."""

import random
from typing import Literal

import msgspec

Fate = Literal["accept", "accept_drop", "drop", "error", "bare", "bare_accepted"]

#: A Graph error body that means "try again".
BUSY = {
    "error": {
        "message": "(#131016) Service unavailable",
        "type": "OAuthException",
        "code": 131016,
        "error_data": {"messaging_product": "whatsapp", "details": "Service is overloaded"},
        "fbtrace_id": "fake",
    }
}


class Behaviour(msgspec.Struct, forbid_unknown_fields=True):
    """Shares are probabilities (0 to 1) and are tried in the order given here.

    `accept_drop`: accepted and recorded, then the connection breaks without an answer. `drop`: it
    breaks before anything is recorded. `error`: refused with `error_body` and `error_status`.
    `bare`: HTTP `bare_status` without a body, not recorded; `bare_accepted`: the same, recorded.
    `delay`: seconds before each answer. `statuses`: what is reported of an accepted send, spaced
    `status_delay` seconds apart, `early` = the first one before the answer, `doubled` = each twice,
    `shuffled` = in any order. An empty `statuses` reports nothing. `tokens`: the access tokens that
    are accepted, all when empty.
    """

    accept_drop: float = 0.0
    drop: float = 0.0
    error: float = 0.0
    bare: float = 0.0
    bare_accepted: float = 0.0
    delay: float = 0.0
    error_status: int = 503
    error_body: dict[str, object] = msgspec.field(default_factory=lambda: dict(BUSY))
    bare_status: int = 502
    statuses: list[str] = msgspec.field(default_factory=lambda: ["sent", "delivered"])
    status_delay: float = 0.05
    early: bool = False
    doubled: bool = False
    shuffled: bool = False
    tokens: list[str] = msgspec.field(default_factory=list)

    def fate(self, rng: random.Random) -> Fate:
        """What happens to one send."""
        drawn = rng.random()
        options: tuple[tuple[Fate, float], ...] = (
            ("accept_drop", self.accept_drop),
            ("drop", self.drop),
            ("error", self.error),
            ("bare", self.bare),
            ("bare_accepted", self.bare_accepted),
        )
        for fate, share in options:
            if drawn < share:
                return fate
            drawn -= share
        return "accept"

    def reports(self, rng: random.Random) -> list[str]:
        """The status words of one accepted send, in the order of posting."""
        words = [word for word in self.statuses for _ in range(2 if self.doubled else 1)]
        if self.shuffled:
            rng.shuffle(words)
        return words
