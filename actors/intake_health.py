"""For how long deliveries have been taken: what did not come in can only be missed since then."""

import trio


class IntakeHealth:
    """Counts the seconds in which this process ran and refused no delivery.

    A refusal stops the count (its sender repeats it some time later), the next delivery that is
    committed lets it go on. Nothing is counted while the process is down.
    """

    __slots__ = ("_counted", "_ill", "_since")

    def __init__(self) -> None:
        self._counted = 0.0
        self._since: float | None = None
        self._ill = False

    def seconds(self) -> float:
        """The healthy time up to now; differences of it are what counts. On the trio thread."""
        if not self._ill:
            now = trio.current_time()
            if self._since is not None:
                self._counted += now - self._since
            self._since = now
        return self._counted

    def refused(self) -> None:
        """A delivery was not committed: its sender was told to repeat it."""
        self.seconds()
        self._ill = True
        self._since = None

    def took(self) -> None:
        """A delivery was committed."""
        if self._ill:
            self._ill = False
            self._since = trio.current_time()
