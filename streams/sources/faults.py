"""Faults: what makes a bar unusable, and what can be mended without making a price up.

Drop leaves out every faulty bar. Repair widens high and low to hold open and close, sorts bars by
time and leaves out what it cannot mend: a price of 0 or below, a value that is missing, the second
bar of an instant. Nothing is taken from another bar, so what a bar becomes does not depend on what
comes after it. A bar that lies before one above it is dropped, or sorted, by its time alone: of
one stamp that leaps far ahead, the bars below it are what drop leaves out.

A bar has one fault: of its values first, then of its place in the file, then of its instant.
"""

import math
from typing import Any, NamedTuple

import polars as pl

from streams.sources.raw_bars import FILE, ROW
from streams.sources.table import PRICES, VALUES

KIND, ACTION = "kind", "action"
_HIGH_LOW = ("high", "low")
DROPPED, REPAIRED = "dropped", "repaired"


class Judged(NamedTuple):
    """`kept` are the usable bars, sorted by symbol and time; `faulty` the others and those that
    were repaired, as they stood, with `kind` and `action`."""

    kept: pl.DataFrame
    faulty: pl.DataFrame


def judged(bars: pl.DataFrame, *, repair: bool) -> Judged:
    """Return raw bars (RAW_COLUMNS, in the files' order) sorted into usable and faulty ones."""
    columns = bars.columns
    bars = bars.with_columns(value_fault().alias(KIND))
    usable = pl.col(KIND).is_null()
    if repair:
        usable = usable | (pl.col(KIND) == "ohlc")
    faulty = [bars.filter(~usable)]
    bars = bars.filter(usable)
    if repair and bars[KIND].null_count() < len(bars):
        bars = _widened(bars)
    late = _is_late(bars)
    if late is not None:
        bars = bars.with_columns(
            pl.when(late & pl.col(KIND).is_null()).then(pl.lit("order")).otherwise(KIND).alias(KIND)
        )
        if not repair:
            faulty.append(bars.filter(late))
            bars = bars.filter(~late)
    bars = bars.sort("symbol", "ts", maintain_order=True)
    again = bars.select(_is_same("symbol") & _is_same("ts")).to_series()
    if again.any():
        bars = _with_repeats(bars)
        repeated = bars[KIND].is_in(["duplicate", "conflict"]).fill_null(value=False)
        faulty.append(bars.filter(repeated))
        bars = bars.filter(~repeated)
    mended = bars.filter(pl.col(KIND).is_not_null())
    parts = [_as_read(part).with_columns(pl.lit(DROPPED).alias(ACTION)) for part in faulty]
    parts.append(_as_read(mended).with_columns(pl.lit(REPAIRED).alias(ACTION)))
    found = pl.concat(part.select(*columns, KIND, ACTION) for part in parts)
    return Judged(bars.select(columns), found.sort(FILE, ROW))


def value_fault() -> pl.Expr:
    """Return the kind of a bar's first fault of its own, null where it has none."""
    column = pl.col
    is_missing = pl.any_horizontal(
        (column(name).is_null() | ~column(name).is_finite()) for name in VALUES
    )
    is_outside = pl.any_horizontal(
        (column(name) > column("high")) | (column(name) < column("low"))
        for name in ("open", "close", "low")
    )
    return (
        pl.when(column("ts").is_null()).then(pl.lit("time"))
        .when(column("symbol").is_null()).then(pl.lit("symbol"))
        .when(is_missing).then(pl.lit("missing"))
        .when(pl.any_horizontal(column(name) <= 0.0 for name in PRICES)).then(pl.lit("price"))
        .when(column("volume") < 0.0).then(pl.lit("volume"))
        .when(is_outside).then(pl.lit("ohlc"))
        .otherwise(pl.lit(None, dtype=pl.String))
    )  # fmt: skip


def explained(bar: dict[str, Any], text: str | None, timezone: str) -> str:
    """Return what is wrong with a faulty bar: the column, the rule and the value.

    `text` is what stood in the file where a value could not be read.
    """
    kind = bar[KIND]
    if kind == "time":
        # A zone with summer time skips an hour a year and has another twice.
        once = "" if timezone == "UTC" else ", neither skipped nor repeated by the clock"
        return f"time must be a time in {timezone}{once}, was {text!r}"
    if kind == "missing":
        name = missing_column(bar)
        if bar[name] is None:
            return f"{name} must be a number, was {text!r}"
        return f"{name} must be a finite number, was {bar[name]}"
    if kind == "price":
        name = next(name for name in PRICES if bar[name] <= 0.0)
        return f"{name} must be > 0, was {bar[name]}"
    if kind == "ohlc":
        low, high = bar["low"], bar["high"]
        if high < low:
            return f"high must be >= low, was {high} and low {low}"
        name = "open" if not low <= bar["open"] <= high else "close"
        return f"{name} must lie in [low, high], was {bar[name]} in [{low}, {high}]"
    return _RULES[kind].format(**bar)


_RULES = {
    "symbol": "symbol must be given, was None",
    "volume": "volume must be >= 0, was {volume}",
    "order": "ts is before the bar above it: sort by time",
    "duplicate": "ts repeats the bar before it: remove one",
    "conflict": "ts repeats the bar before it with other values: keep one",
}


def missing_column(bar: dict[str, Any]) -> str:
    """Return the first column of a bar that is no finite number."""
    return next(n for n in VALUES if bar[n] is None or not math.isfinite(bar[n]))


def _widened(bars: pl.DataFrame) -> pl.DataFrame:
    """Return bars whose high and low hold open and close; `_was` columns keep what they were."""
    is_broken = pl.col(KIND).eq_missing(pl.lit("ohlc"))
    body = ("open", "close")
    return bars.with_columns(
        pl.when(is_broken).then(pl.max_horizontal("high", *body)).otherwise("high").alias("high"),
        pl.when(is_broken).then(pl.min_horizontal("low", *body)).otherwise("low").alias("low"),
        *(pl.when(is_broken).then(name).alias(f"{name}_was") for name in _HIGH_LOW),
    )


def _as_read(bars: pl.DataFrame) -> pl.DataFrame:
    if "high_was" not in bars.columns:
        return bars
    return bars.with_columns(pl.coalesce(f"{name}_was", name).alias(name) for name in _HIGH_LOW)


def _is_late(bars: pl.DataFrame) -> pl.Series | None:
    """Return which bars lie before one above them, None where none does."""
    group = (FILE, "symbol")
    before = pl.col("ts").shift(1).over(group)
    if not bars.select((pl.col("ts") < before).any()).item():
        return None
    highest = pl.col("ts").cum_max().shift(1).over(group)
    return bars.select((pl.col("ts") < highest).fill_null(value=False)).to_series()


def _is_same(name: str) -> pl.Expr:
    return (pl.col(name) == pl.col(name).shift(1)).fill_null(value=False)


def _with_repeats(bars: pl.DataFrame) -> pl.DataFrame:
    """Return sorted bars with `kind` of those whose instant was there before."""
    instant = ("symbol", "ts")
    is_first = pl.struct(instant).is_first_distinct()
    firsts = [pl.col(name).first().over(instant) for name in VALUES]
    is_equal = pl.all_horizontal(
        pl.col(name) == first for name, first in zip(VALUES, firsts, strict=True)
    )
    repeat = pl.when(is_equal).then(pl.lit("duplicate")).otherwise(pl.lit("conflict"))
    return bars.with_columns(pl.when(is_first).then(KIND).otherwise(repeat).alias(KIND))
