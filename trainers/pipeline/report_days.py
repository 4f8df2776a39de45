"""Days of a report."""

from datetime import UTC, date, datetime

from trainers.dataset import Dataset
from trainers.pipeline.model_report import DaySpan


def day_of(ts: int) -> date:
    """Return the UTC day of an instant.

    >>> day_of(1_577_836_800_000_000_000).isoformat()
    '2020-01-01'
    """
    return datetime.fromtimestamp(ts // 10**9, UTC).date()


def span_of(samples: Dataset) -> DaySpan:
    """Return the days of the first and the last signal."""
    return DaySpan(first_day=day_of(int(samples.ts.min())), last_day=day_of(int(samples.ts.max())))
