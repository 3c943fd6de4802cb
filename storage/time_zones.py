"""Time zones by name, as companies write them."""

from zoneinfo import ZoneInfo


def found(name: str) -> ZoneInfo | None:
    """The zone of a name; None for one that this machine does not know."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, malformed, a folder of zones
        return None


def zone(name: str) -> ZoneInfo:
    """A company's time zone; one that this machine does not know counts as UTC."""
    return found(name) or ZoneInfo("UTC")
