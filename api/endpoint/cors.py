"""Cross-origin rules: listed origins are echoed exactly and may send cookies, others get nothing."""

from api.http_types import Request

_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_EXPOSED = b"x-request-id, retry-after, content-disposition"
_DEFAULT_HEADERS = b"authorization, content-type, idempotency-key"


class Cors:
    """Answers for the origins in `allowed` (lower case, as browsers send them)."""

    def __init__(self, allowed: frozenset[str]) -> None:
        self._allowed = allowed

    def allows(self, origin: str | None) -> bool:
        """Whether a browser page of `origin` may use this server with credentials."""
        return origin is not None and origin.lower() in self._allowed

    def headers(self, request: Request) -> list[tuple[bytes, bytes]]:
        """The CORS headers for a response, or for a preflight; never a wildcard."""
        origin = request.origin
        if origin is None:
            return []
        vary = (b"vary", b"Origin")
        if not self.allows(origin):
            return [vary]
        headers = [
            vary,
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-expose-headers", _EXPOSED),
        ]
        if request.method == "OPTIONS":
            asked = request.headers.get("access-control-request-headers", "")
            headers += [
                (b"access-control-allow-methods", _METHODS),
                (b"access-control-allow-headers", asked.encode("latin-1") or _DEFAULT_HEADERS),
                (b"access-control-max-age", b"600"),
            ]
        return headers
