"""Pykka: one thread per actor."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pykka

from bench.engines.measure import Measure, clocked, quantiles, weighed


class Goal:
    def __init__(self, count: int) -> None:
        self.left, self.reached = count, threading.Event()

    def hit(self) -> None:
        self.left -= 1
        if not self.left:
            self.reached.set()


class Sink(pykka.ThreadingActor):
    def __init__(self, goal: Goal) -> None:
        super().__init__()
        self.goal = goal

    def on_receive(self, message: Any) -> int:
        self.goal.hit()
        return 1


class Hop(pykka.ThreadingActor):
    def __init__(self, every: list[Any], done: threading.Event) -> None:
        super().__init__()
        self.every, self.done = every, done

    def on_receive(self, message: tuple[int, int]) -> None:
        number, left = message
        if left:
            following = (number + 1) % len(self.every)
            self.every[following].tell((following, left - 1))
        else:
            self.done.set()


def tell() -> Measure:
    ops = 50_000
    goal = Goal(ops)
    actor = Sink.start(goal)
    with clocked(ops) as measure:
        for number in range(ops):
            actor.tell(number)
        goal.reached.wait()
    return measure


def fan_in() -> Measure:
    ops, threads = 50_000, 100
    goal = Goal(ops)
    actor = Sink.start(goal)

    def producer() -> None:
        for number in range(ops // threads):
            actor.tell(number)

    every = [threading.Thread(target=producer) for _ in range(threads)]
    with clocked(ops) as measure:
        for thread in every:
            thread.start()
        goal.reached.wait()
    for thread in every:
        thread.join()
    return measure


def fan_out() -> Measure:
    actors = 1_000  # threads
    goal = Goal(actors)
    every = [Sink.start(goal) for _ in range(actors)]
    with clocked(actors) as measure:
        for actor in every:
            actor.tell(1)
        goal.reached.wait()
    measure.note = "1,000 actors"
    return measure


def ask_1() -> Measure:
    ops = 5_000
    actor = Sink.start(Goal(ops))
    samples: list[float] = []
    with clocked(ops) as measure:
        for number in range(ops):
            started = time.perf_counter()
            actor.ask(number)
            samples.append(time.perf_counter() - started)
    quantiles(measure, samples)
    return measure


def ring() -> Measure:
    ops, done = 20_000, threading.Event()
    every: list[Any] = []
    every += [Hop.start(every, done) for _ in range(1000)]
    with clocked(ops) as measure:
        every[0].tell((0, ops))
        done.wait()
    return measure


def spawn() -> Measure:
    actors = 2_000
    goal = Goal(actors)
    with clocked(actors) as measure:
        for number in range(actors):
            Sink.start(goal).tell(number)
        goal.reached.wait()
    return measure


def memory() -> Measure:
    actors = 1_000
    measure = Measure(ops=actors)
    goal = Goal(actors)
    with weighed(measure, actors):
        for number in range(actors):
            Sink.start(goal).tell(number)
        goal.reached.wait()
    measure.note = "thread stacks not counted"
    return measure


WORKS: dict[str, Callable[[], Measure]] = {
    "tell": tell,
    "fan_in": fan_in,
    "fan_out": fan_out,
    "ask_1": ask_1,
    "ring": ring,
    "spawn": spawn,
    "memory": memory,
}


def run(work: str) -> Measure:
    """Run one work in this process."""
    try:
        return WORKS[work]()
    finally:
        pykka.ActorRegistry.stop_all()
