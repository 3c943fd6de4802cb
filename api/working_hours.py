"""Working hours: when a user may log in, in the time zone of the company."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def zone(name: str) -> ZoneInfo:
    """A company's time zone; one that this machine does not know counts as UTC."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def within_hours(start: str, end: str, moment: str) -> bool:
    """Whether HH:MM `moment` lies in the window, which may go over midnight; "" means open."""
    if not start or not end:
        return True
    if start <= end:
        return start <= moment <= end
    return moment >= start or moment <= end
