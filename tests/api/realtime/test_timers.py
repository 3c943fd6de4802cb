"""The timer wheel: nothing early, nothing forgotten, one live entry per item."""

from hypothesis import given, settings
from hypothesis import strategies as st

from api.realtime.timers import NEVER_SLOT, Wheel


class Item:
    """Asks to be called again after the delays of its script."""

    def __init__(self, delays: list[float]) -> None:
        self.wake_slot = NEVER_SLOT
        self.delays = delays
        self.due = float("inf")
        self.late: list[float] = []

    def tick(self, now: float) -> float:
        self.late.append(now - self.due)
        self.due = now + self.delays.pop(0) if self.delays else float("inf")
        return self.due


@settings(deadline=None)
@given(st.lists(st.lists(st.floats(0.0, 50.0), max_size=6), max_size=8), st.floats(0.01, 2.0))
def test_every_item_is_called_at_its_time_or_within_two_steps(
    scripts: list[list[float]], step: float
) -> None:
    now = 100.0
    wheel = Wheel(step, now)
    items = [Item(list(script)) for script in scripts]
    for item in items:
        item.due = now + 1.0
        wheel.schedule(item, item.due)
    while len(wheel):
        now = wheel.next_at()
        for _ in wheel.advance(now):
            pass
    for item, script in zip(items, scripts, strict=True):
        assert len(item.late) == len(script) + 1
        assert all(-1e-9 <= late <= 2 * step + 1e-9 for late in item.late)


def test_an_earlier_call_replaces_a_later_one() -> None:
    wheel = Wheel(1.0, 0.0)
    item = Item([])
    wheel.schedule(item, 50.0)
    wheel.schedule(item, 5.0)
    wheel.schedule(item, 20.0)
    for _ in wheel.advance(100.0):
        pass
    assert len(item.late) == 1
    assert len(wheel) == 0


def test_a_forgotten_item_is_not_called() -> None:
    wheel = Wheel(1.0, 0.0)
    item = Item([])
    wheel.schedule(item, 5.0)
    wheel.forget(item)
    assert list(wheel.advance(100.0)) == []
    assert item.late == []


def test_never_takes_no_room() -> None:
    wheel = Wheel(1.0, 0.0)
    wheel.schedule(Item([]), float("inf"))
    assert len(wheel) == 0
