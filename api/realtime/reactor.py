"""The loop that moves bytes: one private epoll set, waited on by one trio task.

Each websocket costs no task. Reading a turn, handling it and sending what came of it happen
without a checkpoint in between; after `sends_per_turn` sends, or a millisecond of reading, the task
lets the rest of the program run. Companies with something to send take turns, so that the storm of one
delays the others by one turn at most.
"""

import logging
import select
import socket
from collections import OrderedDict, deque
from time import perf_counter

import msgspec
import trio

from api.realtime.channel import Channel, flush_some
from api.realtime.client import Client, Receiver
from api.realtime.settings import RealtimeSettings
from api.realtime.timers import Timed, Wheel
from api.realtime.websocket import INTERNAL_ERROR

log = logging.getLogger(__name__)
_IN, _OUT = select.EPOLLIN, select.EPOLLOUT
_READS = 128
_TURN = 0.001
"""Seconds of reading before the rest of the program runs."""


class ReactorStats(msgspec.Struct):
    """Counters since the start, and what is open now."""

    clients: int = 0
    accepted: int = 0
    sends: int = 0
    overflowed: int = 0
    max_clients: int = 0


class Reactor:
    """Owns the sockets, the timers and the order of sending."""

    def __init__(self, settings: RealtimeSettings) -> None:
        self.stats = ReactorStats()
        self.dirty: deque[Client] = deque()
        self.sink_bytes = settings.sink_bytes
        self.linger = settings.close_linger
        self._settings = settings
        self._epoll = select.epoll()
        self._clients: dict[int, Client] = {}
        self._active: OrderedDict[Channel, None] = OrderedDict()
        self._reading = False
        self._none_left = trio.lowlevel.ParkingLot()
        self._lot = trio.lowlevel.ParkingLot()
        self._wheel = Wheel(settings.timer_step, 0.0)

    # -- what clients and channels call ----------------------------------------------------------

    @property
    def full(self) -> bool:
        """Whether there are as many sockets as there may be."""
        return len(self._clients) >= self._settings.max_websockets

    def adopt(self, sock: socket.socket, receiver: Receiver) -> Client:
        """Poll a non-blocking TCP socket from now on; `destroy` of the client closes it."""
        if self._settings.socket_send_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._settings.socket_send_buffer)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = Client(sock, self, receiver, self._settings.first_payload)
        self._clients[client.fd] = client
        self._epoll.register(client.fd, _IN)
        self.stats.clients = len(self._clients)
        self.stats.accepted += 1
        self.stats.max_clients = max(self.stats.max_clients, self.stats.clients)
        return client

    def forget(self, client: Client) -> None:
        """Stop polling a client that is about to close its socket."""
        if self._clients.pop(client.fd, None) is not None:
            self._epoll.unregister(client.fd)
            self.stats.clients = len(self._clients)
            self._wheel.forget(client)
            if not self._clients:
                self._none_left.unpark_all()

    async def emptied(self) -> None:
        """Wait until no socket is open."""
        while self._clients:
            await self._none_left.park()

    def want_write(self, client: Client, wanted: bool) -> None:
        """Poll for writability too, or no more."""
        self._epoll.modify(client.fd, _IN | _OUT if wanted else _IN)

    def overflowed(self) -> None:
        """Count a client dropped because it reads too slowly."""
        self.stats.overflowed += 1

    def now(self) -> float:
        """The clock of all timers here."""
        return trio.current_time()

    def call_at(self, item: Timed, delay: float) -> None:
        """Tick an item after `delay` seconds, unless that happens earlier anyway."""
        self._wheel.schedule(item, self.now() + delay)

    def cancel_calls(self, item: Timed) -> None:
        """The item is gone."""
        self._wheel.forget(item)

    def wake(self) -> None:
        """There is something to send: the sender runs next, or this turn's end does it."""
        if not self._reading:
            self._lot.unpark()

    def activate(self, channel: Channel) -> None:
        """The channel has something to hand over."""
        self._active[channel] = None
        self.wake()

    # -- tasks -----------------------------------------------------------------------------------

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled, then close every socket."""
        self._wheel = Wheel(self._settings.timer_step, self.now())
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send_loop)
                nursery.start_soon(self._time_loop)
                nursery.start_soon(self._read_loop)
                task_status.started()
        finally:
            for client in list(self._clients.values()):
                client.destroy()
            self._epoll.close()

    async def _read_loop(self) -> None:
        poll = self._epoll.poll
        while True:
            ready = poll(0, _READS)
            if not ready:
                await trio.lowlevel.wait_readable(self._epoll.fileno())
                continue
            self._reading, until = True, perf_counter() + _TURN
            for fd, events in ready:
                client = self._clients.get(fd)
                if client is not None:
                    self._serve(client, events)
                if perf_counter() > until:  # they have much to say: others get their turn
                    await self._end_of_turn()
                    self._reading, until = True, perf_counter() + _TURN
            await self._end_of_turn()

    async def _end_of_turn(self) -> None:
        self._reading = False
        if self.send_some():
            self._lot.unpark()
        await trio.lowlevel.checkpoint()

    def _serve(self, client: Client, events: int) -> None:
        if events & _OUT:
            client.flush()
        if events & ~_OUT and not client.dead and (data := client.read()):
            self.feed(client, data)

    def feed(self, client: Client, data: bytes) -> None:
        """Give a client what it received; a defect that it meets ends this client only."""
        try:
            client.feed(data)
        except Exception:
            log.exception("a socket was dropped by an error")
            client.lost("server error", INTERNAL_ERROR)

    def _turn(self, channel: Channel, budget: int) -> int:
        """A channel's turn; a defect in it costs that company what was under way, nobody else."""
        try:
            return channel.turn(budget)
        except Exception:
            log.exception("what company %s was being told is lost", channel.company_id)
            channel.abandon()
            return budget

    async def _send_loop(self) -> None:
        while True:
            if self.send_some():
                await trio.lowlevel.checkpoint()
            else:
                await self._lot.park()

    async def _time_loop(self) -> None:
        while True:
            await trio.sleep_until(self._wheel.next_at())
            for count, _ in enumerate(self._wheel.advance(self.now()), 1):
                if count % _READS == 0:
                    await trio.lowlevel.checkpoint()

    def send_some(self) -> bool:
        """Spend one turn's budget of sends; True when there is more."""
        budget = self._settings.sends_per_turn
        budget -= flush_some(self.dirty, budget)
        while self._active and budget > 0:
            channel, _ = self._active.popitem(last=False)
            budget -= self._turn(channel, budget)
            if channel.busy:
                self._active[channel] = None
        self.stats.sends += self._settings.sends_per_turn - budget
        return bool(self._active or self.dirty)
