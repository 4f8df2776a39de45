"""Time stamps as vendors write them, to int64 UTC nanoseconds.

Read: year-month-day with `-`, `.`, `/` or nothing between; day and month before the year with
`/`, `-` or `.` (see `date_order.py`) or with the month's name; then, after a space or T, hours,
minutes, seconds and a fraction, with colons or without, with AM or PM; then Z, UTC, an offset or
a zone such as US/Eastern. Also seconds, milliseconds, microseconds or nanoseconds since 1970. The
first stamp of a column says which kind they all are.
"""

import calendar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

from streams.errors import ConfigError
from streams.interval import DAY_NS
from streams.sources.date_order import date_order_of

ZONES_PER_FILE_MAX = 8
# The whole years that int64 ns can hold; polars wraps what lies outside round to another century.
FIRST_YEAR, LAST_YEAR = 1678, 2261
_LAST_NS = 9.18e18

_TIME = (
    r"(?:[T ,]+(?P<h>\d{1,2}):?(?P<mi>\d{2})(?::?(?P<s>\d{2})(?:\.(?P<f>\d{1,9}))?)?"
    r"(?:\s*(?P<half>[AaPp])\.?[Mm]\.?)?)?"
)
_ZONE = r"\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2}|[A-Za-z]+/[A-Za-z_/]+)?$"
_YEAR_FIRST = r"^(?P<y>\d{4})[-./]?(?P<mo>\d{1,2})[-./]?(?P<d>\d{1,2})" + _TIME + _ZONE
_YEAR_LAST = r"^(?P<mo>\d{1,2})[-./](?P<d>\d{1,2})[-./](?P<y>\d{4}|\d{2})" + _TIME + _ZONE
_DAY_NAMED = r"^(?P<d>\d{1,2})[- ](?P<mo>[A-Za-z]{3})[a-z]*[- ](?P<y>\d{4}|\d{2})" + _TIME + _ZONE
_NAMED_DAY = r"^(?P<mo>[A-Za-z]{3})[a-z]*\.? (?P<d>\d{1,2}), ?(?P<y>\d{4})" + _TIME + _ZONE
_PATTERNS = (_YEAR_FIRST, _YEAR_LAST, _DAY_NAMED, _NAMED_DAY)
_EPOCH = r"^(\d{9,19})(?:\.0+)?$"
_NS_PER_EPOCH_UNIT = ((11, 1_000_000_000), (14, 1_000_000), (17, 1_000), (20, 1))
# Interactive Brokers writes UTC so.
_DASHED = r"^(\d{8})-(\d{2}:\d{2}:\d{2})$"
# By the length of a stamp: what is written the same in every row is read at once.
_USUAL = {8: "%Y%m%d", 10: "%Y-%m-%d", 16: "%Y-%m-%d %H:%M", 19: "%Y-%m-%d %H:%M:%S"}
_SLASHED = {"mdy": "%m/%d/%Y", "dmy": "%d/%m/%Y"}
_MONTHS = {name.lower(): f"{i:02}" for i, name in enumerate(calendar.month_abbr) if name}
# As POSIX has it: 69 to 99 are of the last century.
_FIRST_SHORT_YEAR = 69


def parse_stamps(
    text: pl.Series,
    timezone: str,
    *,
    is_label: bool,
    date_order: str = "auto",
    file: str = "the column",
) -> pl.Series:
    """Return the stamps as int64 ns, null where one cannot be read.

    Those without an offset are in `timezone`; a local time that a clock change skips or repeats
    is null, as is one outside FIRST_YEAR to LAST_YEAR. A label is a session's: see `labelled`.
    Raises DataError that names `file` for dates of which nobody can say the order.
    """
    text = text.str.strip_chars()
    usual = _usual(text, date_order)
    if usual is not None:
        instants = zoned(usual, timezone)
        return (labelled(usual, instants) if is_label else instants).alias("ts")
    if text.drop_nulls().head(1).str.contains(_EPOCH).any():
        return _since_1970(text).alias("ts")
    written = _written(text.str.replace(_DASHED, "$1 $2 UTC"), date_order, file)
    fixed = written["at"].cast(pl.Int64) - written["offset_ns"]
    local = zoned(written["at"], timezone)
    names = written["zone_name"].drop_nulls().unique().to_list()
    if names:
        is_named = written["zone_name"].is_not_null()
        local = local.set(is_named, None)
        for name in names[:ZONES_PER_FILE_MAX]:
            if _is_zone(name):
                there = zoned(written["at"], name)
                local = local.zip_with(written["zone_name"].ne_missing(name), there)
    instants = fixed.fill_null(local)
    if is_label:
        instants = labelled(written["at"], instants)
    return instants.fill_null(_since_1970(text)).alias("ts")


def zoned(local: pl.Series, timezone: str) -> pl.Series:
    """Return local times as int64 UTC ns, null where the clock skips or repeats one.

    Raises ConfigError for a zone that there is not.
    """
    if not _is_zone(timezone):
        raise ConfigError(
            f"timezone must be a name of the IANA data base such as UTC or America/New_York, "
            f"was {timezone!r}"
        )
    there = local.dt.replace_time_zone(timezone, ambiguous="null", non_existent="null")
    return there.dt.convert_time_zone("UTC").cast(pl.Int64)


def labelled(written: pl.Series, instants: pl.Series) -> pl.Series:
    """Return the stamps of daily bars: at midnight the date as written, else the instant.

    At midnight neither zone nor offset move the date. At another time the session in which it
    lies tells the date: a day of FX that begins at 22:00 UTC is not known two hours later.
    """
    clock = written.cast(pl.Int64)
    days = clock - clock % DAY_NS
    is_date = (days == clock) | instants.is_null()
    return days if is_date.all() else days.zip_with(is_date, instants)


def within_reach(stamps: pl.Series) -> pl.Series:
    """Return dates or times with those outside FIRST_YEAR to LAST_YEAR null."""
    is_outside = ~stamps.dt.year().is_between(FIRST_YEAR, LAST_YEAR)
    return stamps.set(is_outside, None) if is_outside.any() else stamps


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _usual(text: pl.Series, date_order: str) -> pl.Series | None:
    """Return the clock of a column that is written in one usual form throughout, else None."""
    lengths = text.str.len_bytes()
    shortest, longest = lengths.min(), lengths.max()
    if shortest is None or shortest != longest or shortest not in _USUAL:
        return None
    form = _USUAL[int(str(shortest))]
    if not text.drop_nulls().head(1).str.contains("/", literal=True).any():
        return _whole(text, form)
    orders = (date_order,) if date_order != "auto" else tuple(_SLASHED)
    read = [_whole(text, form.replace("%Y-%m-%d", _SLASHED[order])) for order in orders]
    found = [at for at in read if at is not None]
    # Dates that can be read in both orders are in doubt.
    return found[0] if len(found) == 1 else None


def _whole(text: pl.Series, form: str) -> pl.Series | None:
    at = text.str.to_datetime(form, time_unit="us", strict=False)
    if at.null_count() != text.null_count():
        return None
    return within_reach(at).dt.cast_time_unit("ns")


def _written(text: pl.Series, date_order: str, file: str) -> pl.DataFrame:
    """Return the clock as written (`at`), its offset from UTC and its zone, null where absent."""
    first = text.drop_nulls().head(1)
    pattern = next((p for p in _PATTERNS if first.str.contains(p).any()), _YEAR_FIRST)
    frame = pl.DataFrame({"text": text})
    parts = frame.select(pl.col("text").str.extract_groups(pattern)).unnest("text")
    if pattern == _YEAR_LAST:
        one, two = (parts[name].cast(pl.Int64) for name in ("mo", "d"))
        order = date_order if date_order != "auto" else date_order_of(one, two, text, file)
        if order == "dmy":
            parts = parts.rename({"mo": "d", "d": "mo"})
    if pattern in (_DAY_NAMED, _NAMED_DAY):
        month = pl.col("mo").str.to_lowercase().replace_strict(_MONTHS, default=None)
        parts = parts.with_columns(month.alias("mo"))
    return parts.select(
        at=_clock().str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="ns", strict=False),
        offset_ns=_offset_ns(),
        zone_name=pl.when(pl.col("zone").str.contains("/")).then(pl.col("zone")),
    )


def _clock() -> pl.Expr:
    """Return the parts of a stamp as one text of a fixed form, null where they make no time."""
    month, day, minute, second = (
        pl.col(name).str.zfill(2).fill_null("00") for name in ("mo", "d", "mi", "s")
    )
    short = pl.col("y").cast(pl.Int64)
    century = pl.when(short < _FIRST_SHORT_YEAR).then(2000).otherwise(1900)
    year = pl.when(short < 100).then((short + century).cast(pl.String)).otherwise(pl.col("y"))
    hour = pl.col("h").cast(pl.Int64).fill_null(0)
    afternoon = pl.col("half").str.to_lowercase() == "p"
    twelve = pl.when(hour <= 12).then(hour % 12 + 12 * afternoon.cast(pl.Int64))
    hour = pl.when(pl.col("half").is_null()).then(hour).otherwise(twelve)
    reachable = pl.when(year.cast(pl.Int64).is_between(FIRST_YEAR, LAST_YEAR)).then(year)
    return pl.concat_str(
        reachable, pl.lit("-"), month, pl.lit("-"), day, pl.lit(" "),
        hour.cast(pl.String).str.zfill(2), pl.lit(":"), minute, pl.lit(":"), second, pl.lit("."),
        pl.col("f").fill_null("0").str.pad_end(9, "0"),
    )  # fmt: skip


def _offset_ns() -> pl.Expr:
    zone = pl.col("zone").str.replace(":", "")
    minutes = zone.str.slice(1, 2).cast(pl.Int64, strict=False) * 60 + zone.str.slice(3, 2).cast(
        pl.Int64, strict=False
    )
    sign = pl.when(zone.str.starts_with("-")).then(-1).otherwise(1)
    is_utc = zone.is_in(["Z", "UTC", "GMT"])
    offset = pl.when(is_utc).then(0).otherwise(sign * minutes * 60_000_000_000)
    return pl.when(zone.str.contains("/").not_()).then(offset)


def _since_1970(text: pl.Series) -> pl.Series:
    digits = pl.DataFrame({"text": text}).select(
        digits=pl.col("text").str.extract(_EPOCH),
    )
    length = pl.col("digits").str.len_chars()
    unit_ns = pl.lit(None, dtype=pl.Int64)
    for below, factor in reversed(_NS_PER_EPOCH_UNIT):
        unit_ns = pl.when(length < below).then(factor).otherwise(unit_ns)
    is_near = pl.col("digits").cast(pl.Float64) * unit_ns < _LAST_NS
    since = pl.col("digits").cast(pl.Int64, strict=False) * unit_ns
    return digits.select(pl.when(is_near).then(since)).to_series()
