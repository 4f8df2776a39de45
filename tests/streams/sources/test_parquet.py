"""Parquet files with stamps of every type, under any of the names that CSV files may use."""

import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from streams.errors import DataError
from streams.source import read_bars
from streams.source_settings import SourceSettings

BARS = {"Open": [1.0], "High": [3.0], "Low": [0.5], "Adj Close": [9.0], "Close": [2.0]}
DAY = datetime.date(2020, 1, 2)
DAILY_NS = 1_577_998_800_000_000_000  # 2020-01-02 21:00 UTC
HOURLY_NS = 1_577_979_000_000_000_000  # 2020-01-02 15:30 UTC
NEW_YORK = "America/New_York"
HOUR_NS = 3_600_000_000_000
AT = datetime.datetime(2020, 1, 2, 14, 30, tzinfo=datetime.UTC)
SECONDS = int(AT.timestamp())


def closes(tmp_path: Path, columns: dict[str, Any], **settings: Any) -> list[int]:
    file = tmp_path / "A.parquet"
    pl.DataFrame(columns | BARS | {"Volume": [10]}).write_parquet(file)
    bars = read_bars(SourceSettings(kind="parquet", path=str(file), **settings))
    assert bars.select("symbol", "open", "close", "volume").rows() == [("A", 1.0, 2.0, 10.0)]
    return bars["ts"].to_list()


DAILY: dict[str, Any] = {
    "date": DAY,
    "timestamp without a zone": datetime.datetime(2020, 1, 2),
    "with a time of day": datetime.datetime(2020, 1, 2, 16),
    "midnight UTC": datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC),
    "open in UTC": AT,
    "text": "2020-01-02",
    "number": 20200102,
    "seconds": SECONDS,
    "seconds as a float": float(SECONDS),
}


@pytest.mark.parametrize("kind", DAILY)
def test_daily_stamps_of_every_type_are_the_session(tmp_path: Path, kind: str) -> None:
    assert closes(tmp_path, {"Date": [DAILY[kind]]}) == [DAILY_NS]


def test_a_daily_stamp_in_a_zone_is_the_date_there(tmp_path: Path) -> None:
    midnight = pl.Series([datetime.datetime(2020, 1, 2)]).dt.replace_time_zone("Asia/Tokyo")
    assert closes(tmp_path, {"Datetime": midnight}) == [DAILY_NS]


INTRADAY: dict[str, Any] = {
    "instants in UTC": AT,
    "milliseconds": SECONDS * 1_000,
    "microseconds": SECONDS * 1_000_000,
    "nanoseconds": SECONDS * 1_000_000_000,
    "text with an offset": "2020-01-02 09:30:00-05:00",
}


@pytest.mark.parametrize("kind", INTRADAY)
@pytest.mark.parametrize("name", ["ts", "Datetime", "__index_level_0__"])
def test_intraday_stamps_of_every_type_are_read(tmp_path: Path, kind: str, name: str) -> None:
    assert closes(tmp_path, {name: [INTRADAY[kind]]}, interval="1h") == [HOURLY_NS]


def test_times_without_a_zone_are_in_the_timezone(tmp_path: Path) -> None:
    local = [datetime.datetime(2020, 1, 2, 9, 30)]
    assert closes(tmp_path, {"ts": local}, interval="1h", timezone=NEW_YORK) == [HOURLY_NS]
    utc = [datetime.datetime(2020, 1, 2, 14, 30)]
    assert closes(tmp_path, {"ts": utc}, interval="1h") == [HOURLY_NS]


def test_date_and_time_may_be_two_columns(tmp_path: Path) -> None:
    columns = {"Date": [DAY], "Time": [datetime.time(14, 30)]}
    assert closes(tmp_path, columns, interval="1h") == [HOURLY_NS]
    assert closes(tmp_path, {"Date": [20200102], "Time": [1430]}, interval="1h") == [HOURLY_NS]


def test_a_stamp_that_is_no_time_and_a_price_that_is_no_number_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="ts must be a date, a timestamp, a number or text"):
        closes(tmp_path, {"Date": [True]})
    file = tmp_path / "A.parquet"
    pl.DataFrame({"Date": [DAY]} | BARS | {"Volume": ["many"]}).write_parquet(file)
    with pytest.raises(DataError, match="volume must be a number, its type is String"):
        read_bars(SourceSettings(kind="parquet", path=str(file)))
    file.write_bytes(b"no parquet")
    with pytest.raises(DataError, match=r"A\.parquet cannot be read as Parquet"):
        read_bars(SourceSettings(kind="parquet", path=str(file)))


@pytest.mark.parametrize(
    "stamp",
    [
        datetime.date(9999, 1, 1),
        datetime.datetime(1600, 1, 1),
        datetime.datetime(9999, 1, 1, tzinfo=ZoneInfo(NEW_YORK)),
        9_999_999_999,
    ],
)
def test_a_stamp_beyond_what_ns_can_hold_is_refused(tmp_path: Path, stamp: Any) -> None:
    for interval in ("1d", "1h"):
        with pytest.raises(DataError, match="row 1: time must be a time in UTC, was"):
            closes(tmp_path, {"ts": [stamp]}, interval=interval)


def test_a_daily_stamp_within_a_session_is_of_it_in_whatever_zone(tmp_path: Path) -> None:
    """A day of FX that begins at 17:00 in New York is known a day later, not then."""
    begins = datetime.datetime(2020, 1, 1, 17, tzinfo=ZoneInfo(NEW_YORK))
    expected = [DAILY_NS + HOUR_NS]
    assert closes(tmp_path, {"ts": [begins]}, session="fx") == expected
    assert closes(tmp_path, {"ts": [begins.astimezone(datetime.UTC)]}, session="fx") == expected
    naive = [begins.replace(tzinfo=None)]
    assert closes(tmp_path, {"ts": naive}, session="fx", timezone=NEW_YORK) == expected
