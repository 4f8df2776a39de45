"""Findings: what is strange about bars and may be true. They are told of and never dropped.

An outlier is a bar whose return (log, close to close) lies further from its symbol's median than
OUTLIER_DEVIATIONS robust standard deviations: 1.4826 times the median absolute deviation or, where
that is 0 as most returns are the same, 1.2533 times the mean one; within a session and from one to
the next apart. Source: Iglewicz & Hoaglin (1993), "How to Detect and Handle Outliers".
"""

import polars as pl

from streams.interval import MINUTE_NS
from streams.source_settings import SourceSettings
from streams.sources.gaps import NEW_SESSION, gaps, other_intervals, with_sessions
from streams.sources.raw_bars import FILE, ROW
from streams.sources.table import VALUES

OUTLIER_DEVIATIONS = 15.0
OUTLIER_RETURNS_MIN = 30
# A bar and the one before it may well be alike; three in a row are a feed that stands still.
STALE_BARS_MIN = 3

_NORMAL_PER_MEDIAN = 1.4826
_NORMAL_PER_MEAN = 1.2533
_COLUMNS = (FILE, ROW, "symbol", "ts", "kind", "what")


def findings(bars: pl.DataFrame, settings: SourceSettings, *, with_volume: bool) -> pl.DataFrame:
    """Return the findings on usable bars, sorted by symbol and time: _COLUMNS, by file and row.

    Without `with_volume` a volume of 0 is nothing to tell.
    """
    bars = with_sessions(bars, settings)
    found = [_gaps(bars, settings), _outliers(bars), _stale(bars), _intervals(bars, settings)]
    if with_volume:
        zero = bars.filter(pl.col("volume") == 0.0)
        found.append(_told(zero, "zero_volume", pl.lit("nothing was traded, volume is 0")))
    return pl.concat(found).sort(FILE, ROW, "kind")


def _told(bars: pl.DataFrame, kind: str, what: pl.Expr) -> pl.DataFrame:
    return bars.with_columns(pl.lit(kind).alias("kind"), what.alias("what")).select(_COLUMNS)


def _text(*parts: str | pl.Expr) -> pl.Expr:
    said = [pl.lit(part) if isinstance(part, str) else part.cast(pl.String) for part in parts]
    return pl.concat_str(said)


def _gaps(bars: pl.DataFrame, settings: SourceSettings) -> pl.DataFrame:
    units = pl.when(pl.col("count") == 1).then(pl.col("unit").str.head(-1)).otherwise("unit")
    what = _text(pl.col("count"), " ", units, " missing before this bar")
    return _told(gaps(bars, settings), "gap", what)


def _outliers(bars: pl.DataFrame) -> pl.DataFrame:
    group = ("symbol", NEW_SESSION)
    close_before = pl.when(pl.col("ts_before").is_not_null()).then(pl.col("close").shift(1))
    bars = bars.with_columns((pl.col("close") / close_before).log().alias("return"))
    distance = (pl.col("return") - pl.col("return").median().over(group)).abs()
    bars = bars.with_columns(distance.alias("distance"))
    median = _NORMAL_PER_MEDIAN * pl.col("distance").median().over(group)
    mean = _NORMAL_PER_MEAN * pl.col("distance").mean().over(group)
    deviation = pl.when(median > 0.0).then(median).otherwise(mean)
    bars = bars.with_columns(
        deviation.alias("deviation"), pl.col("return").count().over(group).alias("returns")
    )
    is_outlier = (
        (pl.col("distance") > OUTLIER_DEVIATIONS * pl.col("deviation"))
        & (pl.col("deviation") > 0.0)
        & (pl.col("returns") >= OUTLIER_RETURNS_MIN)
    )
    before = (pl.col("close") / pl.col("return").exp()).round_sig_figs(6)
    deviations = (pl.col("distance") / pl.col("deviation")).round(1)
    what = _text(
        "close ", pl.col("close"), " after ", before, ", ", deviations, " robust deviations off"
    )
    return _told(bars.filter(is_outlier), "outlier", what)


def _stale(bars: pl.DataFrame) -> pl.DataFrame:
    """One finding per run of identical bars, at its last bar."""
    same = pl.all_horizontal(
        pl.col("ts_before").is_not_null(),
        *(pl.col(name) == pl.col(name).shift(1) for name in VALUES),
    ).fill_null(value=False)
    bars = bars.with_columns((~same).cum_sum().alias("run"))
    runs = bars.with_columns(pl.len().over("run").alias("length"))
    is_told = (pl.col("length") >= STALE_BARS_MIN) & (
        pl.col("run") != pl.col("run").shift(-1)
    ).fill_null(value=True)
    what = _text(pl.col("length"), " identical bars in a row end here")
    return _told(runs.filter(is_told), "stale", what)


def _intervals(bars: pl.DataFrame, settings: SourceSettings) -> pl.DataFrame:
    minutes = pl.col("count") // MINUTE_NS
    what = _text("bars stand ", minutes, f" minutes apart, interval is {settings.interval}")
    return _told(other_intervals(bars, settings), "interval", what)
