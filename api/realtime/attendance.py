"""Which sockets are here: counted by user, found by login session and by the place they came from."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from api.principal import Principal
from api.realtime.namespaces import Socket
from storage.ids import CompanyId, UserId

_NOBODY: Final = UserId(0)


def _key(principal: Principal) -> tuple[CompanyId, UserId]:
    """An operator who acts as somebody does not make that person be here."""
    acting = principal.impersonator_id is not None
    return principal.company_id, _NOBODY if acting else principal.user_id


class Attendance:
    """The sockets in a namespace; at most `most` of one user."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._online: Counter[tuple[CompanyId, UserId]] = Counter()
        self._by_pid: dict[str, Socket] = {}
        self._by_family: dict[str, dict[Socket, None]] = {}

    @property
    def total(self) -> int:
        """How many there are."""
        return self._online.total()

    def full(self, principal: Principal) -> bool:
        """Whether this user has as many as one may have."""
        return self._online[_key(principal)] >= self._most

    def of_family(self, family: str) -> Sequence[Socket]:
        """The sockets of one login session."""
        return tuple(self._by_family.get(family, ()))

    def of_pid(self, pid: object) -> Socket | None:
        """The socket that has this private place to come back to."""
        return self._by_pid.get(pid) if isinstance(pid, str) else None

    def enter(self, socket: Socket, principal: Principal) -> bool:
        """Count a socket; whether it is its user's first."""
        if socket.pid is not None:
            self._by_pid[socket.pid] = socket
        self._by_family.setdefault(principal.family, {})[socket] = None
        key = _key(principal)
        self._online[key] += 1
        return self._online[key] == 1 and key[1] != _NOBODY

    def leave(self, socket: Socket, principal: Principal) -> bool:
        """Count it no more; whether it was its user's last."""
        if socket.pid is not None and self._by_pid.get(socket.pid) is socket:
            del self._by_pid[socket.pid]
        family = self._by_family.get(principal.family, {})
        family.pop(socket, None)
        if not family:
            self._by_family.pop(principal.family, None)
        key = _key(principal)
        self._online[key] -= 1
        if self._online[key]:
            return False
        del self._online[key]
        return key[1] != _NOBODY
