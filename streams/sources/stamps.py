"""Time stamps as vendors write them, to int64 UTC nanoseconds.

Read: year-month-day with `-`, `.`, `/` or nothing between, day.month.year with dots; then, after a
space or T, hours, minutes, seconds and a fraction, with colons or without; then Z, UTC or an
offset. Also seconds, milliseconds, microseconds or nanoseconds since 1970. Months and days
between slashes without a leading year are ambiguous and refused.
"""

import polars as pl

_TIME = r"(?:[T ]+(?P<h>\d{1,2}):?(?P<mi>\d{2})(?::?(?P<s>\d{2})(?:\.(?P<f>\d{1,9}))?)?)?"
_ZONE = r"\s*(?P<zone>Z|UTC|[+-]\d{2}:?\d{2})?$"
_YEAR_FIRST = r"^(?P<y>\d{4})[-./]?(?P<mo>\d{1,2})[-./]?(?P<d>\d{1,2})" + _TIME + _ZONE
_DAY_FIRST = r"^(?P<d>\d{1,2})\.(?P<mo>\d{1,2})\.(?P<y>\d{4})" + _TIME + _ZONE
_EPOCH = r"^(\d{9,19})(?:\.0+)?$"
_NS_PER_EPOCH_UNIT = ((11, 1_000_000_000), (14, 1_000_000), (17, 1_000), (20, 1))


def parse_stamps(text: pl.Series, timezone: str, *, is_label: bool) -> pl.Series:
    """Return the stamps as int64 ns, null where one cannot be read.

    Those without an offset are in `timezone`; a local time that a clock change skips or repeats
    is null. A label (a session date) keeps the date as written: neither zone nor offset move it.
    """
    text = text.str.strip_chars()
    written = _written(text)
    if is_label:
        labels = written["at"].dt.truncate("1d").cast(pl.Int64)
        return labels.fill_null(_since_1970(text)).alias("ts")
    zoned = (
        written["at"]
        .dt.replace_time_zone(timezone, ambiguous="null", non_existent="null")
        .dt.convert_time_zone("UTC")
        .cast(pl.Int64)
    )
    fixed = written["at"].cast(pl.Int64) - written["offset_ns"]
    return fixed.fill_null(zoned).fill_null(_since_1970(text)).alias("ts")


def _written(text: pl.Series) -> pl.DataFrame:
    """Return the clock as written (`at`) and its offset from UTC, null where none is given."""
    raw = pl.DataFrame({"text": text})
    pattern = _DAY_FIRST if text.head(1).str.contains(_DAY_FIRST).any() else _YEAR_FIRST
    parts = raw.select(pl.col("text").str.extract_groups(pattern)).unnest("text")
    two = [pl.col(name).str.zfill(2).fill_null("00") for name in ("mo", "d", "h", "mi", "s")]
    month, day, hour, minute, second = two
    clock = pl.concat_str(
        pl.col("y"), pl.lit("-"), month, pl.lit("-"), day, pl.lit(" "), hour, pl.lit(":"), minute,
        pl.lit(":"), second, pl.lit("."), pl.col("f").fill_null("0").str.pad_end(9, "0"),
    )  # fmt: skip
    zone = pl.col("zone").str.replace(":", "")
    minutes = zone.str.slice(1, 2).cast(pl.Int64, strict=False) * 60 + zone.str.slice(3, 2).cast(
        pl.Int64, strict=False
    )
    sign = pl.when(zone.str.starts_with("-")).then(-1).otherwise(1)
    is_utc = zone.is_in(["Z", "UTC"])
    return parts.select(
        at=clock.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="ns", strict=False),
        offset_ns=pl.when(is_utc).then(0).otherwise(sign * minutes * 60_000_000_000),
    )


def _since_1970(text: pl.Series) -> pl.Series:
    digits = pl.DataFrame({"text": text}).select(
        digits=pl.col("text").str.extract(_EPOCH),
    )
    length = pl.col("digits").str.len_chars()
    unit_ns = pl.lit(None, dtype=pl.Int64)
    for below, factor in reversed(_NS_PER_EPOCH_UNIT):
        unit_ns = pl.when(length < below).then(factor).otherwise(unit_ns)
    return digits.select(pl.col("digits").cast(pl.Int64, strict=False) * unit_ns).to_series()
