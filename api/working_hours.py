"""Working hours: when a user may log in."""


def within_hours(start: str, end: str, moment: str) -> bool:
    """Whether HH:MM `moment` lies in the window, which may go over midnight; "" means open."""
    if not start or not end:
        return True
    if start <= end:
        return start <= moment <= end
    return moment >= start or moment <= end
