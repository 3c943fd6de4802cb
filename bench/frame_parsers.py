"""`python -m bench frame_parsers`: our frame parser beside the sans-IO layer of `websockets`."""

import sys
import time
from collections.abc import Callable, Sequence

from websockets.frames import Frame
from websockets.protocol import OPEN, Side
from websockets.protocol import Protocol as Judge

from api.realtime.websocket import Parser
from bench.load.frames import masked_text

ROUNDS = 20_000


def ours(chunk: bytes) -> Callable[[], object]:
    """Our parser, fed the same chunk again and again."""
    parser = Parser(1_000_000)
    return lambda: [payload for _, payload in parser.feed(chunk)]


def theirs(chunk: bytes) -> Callable[[], object]:
    """The other package's server protocol."""
    judge = Judge(Side.SERVER, state=OPEN, max_size=1_000_000)

    def feed() -> object:
        judge.receive_data(chunk)
        return [event.data for event in judge.events_received() if isinstance(event, Frame)]

    return feed


def main(argv: Sequence[str]) -> int:
    """Print µs per frame."""
    print(f"{'frames per read':>16}{'bytes':>8}{'ours µs':>10}{'websockets µs':>15}{'x':>7}")
    for count, size in ((1, 20), (1, 80), (8, 80), (1, 1_000), (1, 20_000)):
        chunk = masked_text(b"x" * size) * count
        spent: list[float] = []
        for make in (ours, theirs):
            run, start = make(chunk), time.perf_counter()
            for _ in range(ROUNDS):
                run()
            spent.append((time.perf_counter() - start) / ROUNDS / count * 1e6)
        mine, other = spent
        print(f"{count:16}{size:8}{mine:10.2f}{other:15.2f}{other / mine:7.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
