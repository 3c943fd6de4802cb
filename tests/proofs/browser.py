"""An admin's browser: one websocket per company, opened again whenever it broke."""

import msgspec
import trio
from trio_websocket import ConnectionClosed, HandshakeError, WebSocketConnection, wrap_client_stream

from tests.proofs.load import Load

AGAIN = 0.1


async def watch(load: Load, company: int, *, task_status: trio.TaskStatus[None]) -> None:
    """Note every event that an admin of `company` receives, until cancelled."""
    path = f"/socket.io/?EIO=4&transport=websocket&token={load.tokens[company]}"
    started = False
    life = 0
    while True:
        life += 1
        browser = _Browser(load, company, f"{company}.{life}")
        try:
            stream = await trio.open_tcp_stream("127.0.0.1", load.port)
            async with stream, trio.open_nursery() as nursery:
                socket = await wrap_client_stream(nursery, stream, "proof", path)
                await browser.join(socket)
                if not started:
                    started = True
                    task_status.started()
                await browser.listen(socket)
        except* (OSError, ConnectionClosed, HandshakeError, trio.BrokenResourceError):
            pass
        await trio.sleep(AGAIN)


class _Browser:
    """One life of the websocket, on the company's own namespace."""

    def __init__(self, load: Load, company: int, name: str) -> None:
        self._load = load
        self._company = company
        self._name = name

    async def join(self, socket: WebSocketConnection) -> None:
        while not (frame := str(await socket.get_message())).startswith("40"):
            if frame[:1] == "0":
                await socket.send_message(f"40/{self._company},")

    async def listen(self, socket: WebSocketConnection) -> None:
        while True:
            frame = str(await socket.get_message())
            if frame == "2":
                await socket.send_message("3")
            elif frame.startswith("42"):
                event, *arguments = msgspec.json.decode(frame.partition(",")[2])
                if arguments and isinstance(arguments[0], dict):
                    self._load.saw(self._name, self._company, event, arguments[0])
