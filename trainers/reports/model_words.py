"""Figures of a model in words, the same on its page and in its summary."""

import math
from datetime import UTC, datetime

from trainers.evaluation.figure import Figure
from trainers.pipeline.model_report import DaySpan, Identity, ModelFailure

NONE = "-"
P_MIN = 0.001


def decimal(value: float | None, digits: int = 2, unit: str = "", *, signed: bool = False) -> str:
    """Return a figure with so many digits and its unit, "-" for none.

    >>> decimal(-0.001), decimal(0.25, 1, " R", signed=True), decimal(None)
    ('0.00', '+0.2 R', '-')
    """
    if value is None or not math.isfinite(value):
        return NONE
    # + 0.0: no minus before a zero.
    rounded = round(value, digits) + 0.0
    return f"{rounded:{'+' if signed and rounded else ''}.{digits}f}{unit}"


def interval(figure: Figure, digits: int = 2, *, signed: bool = False) -> str:
    """Return "low to high", "" where there is none."""
    if figure.low is None or figure.high is None:
        return ""
    low, high = (decimal(v, digits, signed=signed) for v in (figure.low, figure.high))
    return f"{low} to {high}"


def estimate(figure: Figure, digits: int = 2, unit: str = "", *, signed: bool = False) -> str:
    """Return a figure with its interval, "-" for one that is not defined.

    >>> estimate(Figure(0.571, 0.02, 0.531, 0.611), 3)
    '0.571 (0.531 to 0.611)'
    """
    told = decimal(figure.value, digits, unit, signed=signed)
    reach = interval(figure, digits, signed=signed)
    return f"{told} ({reach})" if reach and figure.value is not None else told


def with_error(figure: Figure, digits: int = 3, *, signed: bool = False) -> str:
    """Return a figure and its standard error.

    >>> with_error(Figure(0.571, 0.0204)), with_error(Figure(0.5))
    ('0.571 ± 0.020', '0.500')
    """
    told = decimal(figure.value, digits, signed=signed)
    if figure.value is None or figure.error is None:
        return told
    return f"{told} ± {decimal(figure.error, digits)}"


def p_value(value: float) -> str:
    """Return "p = .." of a test, "p < 0.001" below what is worth telling."""
    return f"p < {P_MIN:g}" if value < P_MIN else f"p = {decimal(value, 3)}"


def counted(number: int, noun: str) -> str:
    """Return a number of things.

    >>> counted(1, "trial"), counted(2000, "trial")
    ('1 trial', '2,000 trials')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def day(ts: int) -> str:
    """Return the UTC day of an instant in nanoseconds."""
    return f"{datetime.fromtimestamp(ts // 1_000_000_000, UTC):%Y-%m-%d}"


def minute(ts: int) -> str:
    """Return an instant in nanoseconds to the minute, UTC."""
    return f"{datetime.fromtimestamp(ts // 1_000_000_000, UTC):%Y-%m-%d %H:%M} UTC"


def span(days: DaySpan) -> str:
    """Return the first and the last day."""
    return f"{days.first_day} to {days.last_day}"


def scope(of: Identity | ModelFailure) -> str:
    """Return whose signals a model judges."""
    return (
        f"{of.strategy} on {of.symbol}" if of.symbol is not None else f"{of.strategy}, all symbols"
    )
