"""`python -m bench.fake_graph --witness FILE [--port N] [--webhook URL --secret S] [--set JSON]`.

Prints `ready <port>` when it listens. `--set` takes the JSON of a Behaviour; `GET /_control`
shows counters, `POST /_control` changes behaviour and webhook address while it runs.
"""

import argparse
import sys
from pathlib import Path

import msgspec
import trio

from bench.fake_graph.behaviour import Behaviour
from bench.fake_graph.graph import Graph
from bench.fake_graph.http11 import serve_connection
from bench.fake_graph.reports import Hooks, Reporter
from bench.fake_graph.witness import Witness


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.fake_graph", description=__doc__)
    parser.add_argument("--witness", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--webhook", default="", help="where status webhooks are posted")
    parser.add_argument("--secret", default="", help="app secret that signs them")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", default="{}", help="JSON of a Behaviour")
    return parser.parse_args()


async def _main(arguments: argparse.Namespace) -> None:
    behaviour = msgspec.json.decode(arguments.set, type=Behaviour)
    witness = Witness(arguments.witness)
    reporter = Reporter(Hooks(url=arguments.webhook, secret=arguments.secret))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(witness.run)
        graph = Graph(witness, reporter, behaviour, nursery, arguments.seed)
        listeners = await trio.open_tcp_listeners(arguments.port, host=arguments.host, backlog=1024)
        port = listeners[0].socket.getsockname()[1]
        graph.base = f"http://{arguments.host}:{port}"
        print(f"ready {port}", flush=True)

        async def connection(stream: trio.SocketStream) -> None:
            await serve_connection(stream, graph.handle)

        await trio.serve_listeners(connection, listeners)


if __name__ == "__main__":
    try:
        trio.run(_main, _arguments())
    except KeyboardInterrupt:
        sys.exit(0)
