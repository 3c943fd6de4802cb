"""A small simulated office, used by the simulation tests in this and in other processes."""

import sys

import trio

from engine import Actor, ActorCrashed, Address, Command, Unavailable, Virtual, handler
from engine.testing import Faults, Simulation, simulate


class Visit(Command[int], frozen=True, kw_only=True):
    desk: int
    visitor: int
    hops: int = 0

    @property
    def to(self) -> Address:
        return Address("desk", self.desk)


class Desk(Actor):
    """Takes its time, sends some visitors on."""

    def __init__(self, simulation: Simulation) -> None:
        self.random = simulation.random
        self.visits = 0

    @handler
    async def visit(self, cmd: Visit) -> int:
        self.visits += 1
        await trio.sleep(self.random.random() * 60)
        if cmd.hops:
            await self.system.tell(
                Visit(desk=self.random.randrange(20), visitor=cmd.visitor, hops=cmd.hops - 1)
            )
        return self.visits


async def office(simulation: Simulation, seconds: float, pause: float) -> int:
    faults = Faults(crash_if=lambda address, command, count: count % 13 == 0)
    factory = faults.wrap(lambda address: Desk(simulation))
    async with simulation.open_system({"desk": Virtual("desk", factory, cap=12)}) as system:

        async def visitor(number: int) -> None:
            while trio.current_time() < seconds:
                await trio.sleep(simulation.random.random() * pause)
                command = Visit(
                    desk=simulation.random.randrange(20),
                    visitor=number,
                    hops=simulation.random.randrange(3),
                )
                try:
                    with trio.move_on_after(90):
                        await system.ask(command)
                except (ActorCrashed, Unavailable) as error:
                    simulation.note(str(error))

        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(visitor, number)
    return simulation.handled


def run(seed: int, seconds: float = 3600.0, pause: float = 120.0) -> tuple[int, str]:
    return simulate(seed, lambda simulation: office(simulation, seconds, pause))


if __name__ == "__main__":
    first, last = int(sys.argv[1]), int(sys.argv[2])
    for each in range(first, last):
        sys.stdout.write(f"{run(each)[1]}\n")
