"""Times as frontends send them: ISO 8601, often without seconds or zone."""

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import msgspec

from api.errors import Detail, Invalid
from storage.time_zones import zone as zone_of


def is_moment(hint: Any) -> bool:
    """Whether a field is a point in time."""
    return hint is datetime or datetime in get_args(hint)


def moment(text: str | None, zone: str, path: str) -> datetime | None:
    """The time that `text` names, in the company's zone unless it says another; None: none.

    Raises Invalid for a text that names no time between the years 1900 and 9000.
    """
    if text is None or not text.strip():
        return None
    try:
        found = datetime.fromisoformat(text.strip())
        found = found.astimezone(UTC) if found.tzinfo else _local(found, zone)
    except (ValueError, OverflowError) as error:
        raise Invalid(Detail(path, "not a time")) from error
    if not 1900 <= found.year <= 9000:
        raise Invalid(Detail(path, "not a time"))
    return found


def day_end(text: str, zone: str, path: str) -> datetime | None:
    """The moment after a time, or after a whole day where only a day is named; None: none."""
    found = moment(text, zone, path)
    if found is None:
        return None
    if len(text.strip()) > len("2026-11-24"):
        return found + timedelta(seconds=1)
    day = found.astimezone(zone_of(zone)).replace(tzinfo=None) + timedelta(days=1)
    return _local(day, zone)


def _local(naive: datetime, zone: str) -> datetime:
    return naive.replace(tzinfo=zone_of(zone)).astimezone(UTC)


def moments(record: type[msgspec.Struct], values: dict[str, Any], zone: str) -> dict[str, Any]:
    """`values` with the texts of the record's time fields read as times."""
    times = {f.name: f.encode_name for f in msgspec.structs.fields(record) if is_moment(f.type)}
    return {
        name: moment(value, zone, f"$.{times[name]}") if name in times else value
        for name, value in values.items()
    }
