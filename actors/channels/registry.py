"""Channels by the name that a connection's row carries."""

from collections.abc import Iterator

from actors.channels.base import Channel


class UnknownChannel(LookupError):
    """No channel of this name is set up in this installation."""


class Channels:
    """The channels of this installation; the composition root fills it once."""

    def __init__(self, *channels: Channel) -> None:
        self._by_name = {channel.name: channel for channel in channels}

    def get(self, name: str) -> Channel:
        """The channel of a connection. Raises UnknownChannel."""
        found = self._by_name.get(name)
        if found is None:
            raise UnknownChannel(name)
        return found

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[Channel]:
        return iter(self._by_name.values())
