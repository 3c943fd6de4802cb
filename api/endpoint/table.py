"""All endpoints by path, matched as the family does: case and trailing slashes do not matter."""

from collections.abc import Iterable, Iterator

from api.endpoint.declaration import Endpoint


class _Node:
    __slots__ = ("endpoints", "param", "static")

    def __init__(self) -> None:
        self.static: dict[str, _Node] = {}
        self.param: _Node | None = None
        self.endpoints: dict[str, Endpoint] = {}


class RouteTable:
    """A tree of path segments; fixed segments win over parameters (`/users/list`)."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        """Raises ValueError when two endpoints claim the same method and path."""
        self._root = _Node()
        self._endpoints = tuple(endpoints)
        for endpoint in self._endpoints:
            self._add(endpoint)

    def __iter__(self) -> Iterator[Endpoint]:
        return iter(self._endpoints)

    def __len__(self) -> int:
        return len(self._endpoints)

    def _add(self, endpoint: Endpoint) -> None:
        node = self._root
        for segment in _segments(endpoint.path):
            if segment[:1] == "{":
                node.param = node.param or _Node()
                node = node.param
            else:
                node = node.static.setdefault(segment.lower(), _Node())
        if endpoint.method in node.endpoints:
            message = f"{endpoint.method} {endpoint.path} is declared twice"
            raise ValueError(message)
        node.endpoints[endpoint.method] = endpoint

    def find(self, path: str) -> tuple[dict[str, Endpoint], list[str]] | None:
        """The endpoints of `path` by method, with the values of its parameters; None: unknown."""
        values: list[str] = []
        node = _walk(self._root, _segments(path), 0, values)
        return None if node is None else (node.endpoints, values)


def _segments(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _walk(node: _Node, segments: list[str], at: int, values: list[str]) -> _Node | None:
    if at == len(segments):
        return node if node.endpoints else None
    segment = segments[at]
    if (child := node.static.get(segment.lower())) and (
        found := _walk(child, segments, at + 1, values)
    ):
        return found
    if node.param is None:
        return None
    values.append(segment)
    found = _walk(node.param, segments, at + 1, values)
    if found is None:
        values.pop()
    return found
