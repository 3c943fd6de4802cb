"""python-socketio under uvicorn on uvloop."""

import socket
import time
from pathlib import Path
from typing import Any

import msgspec
import socketio
import uvicorn

PAYLOAD: dict[str, Any] = msgspec.json.decode(Path(__file__).with_name("payload.json").read_bytes())
server = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*")
seq = 0


@server.event
async def connect(sid: str, environ: dict[str, Any], auth: object = None) -> None:
    """Everybody is in the room."""
    await server.enter_room(sid, "company-1-mainchannel")


@server.on("fire")
async def fire(sid: str, burst: int) -> None:
    """Emit a burst."""
    global seq
    for _ in range(burst):
        seq += 1
        payload = {**PAYLOAD, "t": time.monotonic_ns(), "seq": seq}
        await server.emit("company-1-ticket", payload, room="company-1-mainchannel")


@server.on("presenceUpdate")
async def presence(sid: str, what: object) -> None:
    """Nothing."""


@server.on("count")
async def count(sid: str) -> None:
    """Answer."""


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(socketio.ASGIApp(server), loop="uvloop", ws="auto", log_level="error")
    uvicorn.Server(config).run(sockets=[listener])
