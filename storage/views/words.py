"""The family's words for yes and no, which differ by field."""


def enabled(value: bool) -> str:
    """Yes as `enabled`, no as `disabled`: most flags."""
    return "enabled" if value else "disabled"


def enable(value: bool) -> str:
    """Yes as `enable`, no as `disable`: allTicket, allowRealTime, allowConnections."""
    return "enable" if value else "disable"
