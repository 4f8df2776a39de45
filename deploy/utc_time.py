"""Times as people read them: UTC, to the second, in ISO 8601."""

from datetime import UTC, datetime

S_TO_NS = 1_000_000_000


def utc_time(ts: int) -> str:
    """Return the time of `ts`, nanoseconds of event time or of a clock, "" for none.

    >>> utc_time(951868800_000_000_000), utc_time(0)
    ('2000-03-01T00:00:00+00:00', '')
    """
    return datetime.fromtimestamp(ts / S_TO_NS, UTC).isoformat(timespec="seconds") if ts else ""
