"""`chatia serve`: the whole server until a signal asks it to stop, then in reverse order."""

import gc
import logging
import resource
import signal
import sys
from collections.abc import AsyncIterator

import trio

from actors.channels.demo_talk import play
from api.app import listening, open_app
from api.demo import Demo, seed
from api.settings import Settings
from storage.embedded import EmbeddedPostgres

log = logging.getLogger("api.serving")


async def serve(
    settings: Settings,
    dsn: str,
    postgres: EmbeddedPostgres | None,
    demo: bool,
    simulate: bool | None,
    take_over: bool = False,
) -> None:
    """Serve until SIGTERM or SIGINT; a second signal does not wait for anything.

    Raises (in a group) AlreadyOwned, DatabaseUnavailable, OSError when the address is taken.
    """
    raise_descriptor_limit()
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as outer:
            if postgres is not None:
                outer.start_soon(postgres.supervise)
            async with (
                open_app(settings, dsn, take_over=take_over) as app,
                listening(settings, app.asgi, app.parts.metrics) as port,
            ):
                async with trio.open_nursery() as nursery:
                    made = await seed(app, settings) if demo else None
                    if made is not None and simulate is not False:
                        nursery.start_soon(play, app.simulator, [made.account])
                    settle_collector()
                    say(settings, port, made)
                    log.info("stopping on %s", signal.Signals(await anext(signals)).name)
                    nursery.cancel_scope.cancel()
                # First the sockets: a hanging poll is a request that would hold the listener up.
                await app.realtime.drain()
                if postgres is not None:
                    postgres.leave()
                outer.start_soon(_hurry, signals, outer.cancel_scope)
            outer.cancel_scope.cancel()


def raise_descriptor_limit() -> None:
    """Every browser is a descriptor: take as many as the system lets this process have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def settle_collector() -> None:
    """Take what the start made out of the cycle collector's sight, and have it look less often.

    A message makes and frees hundreds of objects and hardly a cycle; at Python's thresholds the
    collector took an eighth of the server's time. One young collection stays about a millisecond.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


async def _hurry(signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
    """A second signal ends the drain."""
    await anext(signals)
    scope.cancel()


def say(settings: Settings, port: int, demo: Demo | None) -> None:
    """Tell a person at the terminal where to go, and how to log in."""
    base = f"http://{settings.host}:{port}"
    lines = [f"ChatIA Flow serves {base}/", f"  console  {base}/console/"]
    if settings.backend_url is not None:
        lines.append(f"  outside  {settings.public_url}/")
    if demo is not None:
        lines += [
            f"  admin    {demo.email}",
            f"  agent    {demo.agent}",
            f"  password {demo.password}",
        ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
