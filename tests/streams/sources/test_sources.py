"""Every bar source, and what the tables they return promise."""

import datetime
import importlib
import itertools
from pathlib import Path

import polars as pl
import pytest

from streams import source
from streams.errors import ConfigError, DataError
from streams.events import Bar
from streams.source import bar_frames, read_bars
from streams.source_settings import SourceSettings
from streams.validation import check_bar

HOUR_NS = 3_600_000_000_000


def ns(text: str) -> int:
    moment = datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)
    return int(moment.timestamp()) * 1_000_000_000


@pytest.mark.parametrize("kind", source.source_names())
def test_every_source_keeps_the_contract(kind: str) -> None:
    module = importlib.import_module(f"streams.sources.{kind}")
    assert module.__doc__
    assert module.Params() == module.Params()
    assert callable(module.read)


def test_an_unknown_source_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="'parket' is not known: did you mean parquet"):
        read_bars(SourceSettings(kind="parket"))


def test_a_parameter_that_a_source_does_not_know_is_refused() -> None:
    with pytest.raises(ConfigError, match="seed is not a known key"):
        read_bars(SourceSettings(kind="sample", params={"seed": 1}))


def test_the_sample_is_whole_valid_and_stamped_with_its_close() -> None:
    frames = list(bar_frames(SourceSettings()))
    bars = [bar for frame in frames for bar in frame]
    assert len(bars) == 12_154
    for bar in bars:
        check_bar(bar)
    assert {bar.symbol for bar in bars} == {"AAPL", "FB", "GOOG", "IBM", "MSFT"}
    first = bars[0]
    assert first == Bar(
        "AAPL", "1d", ns("2000-03-01T21:00"), 3.809153, 4.242888, 3.807225, 4.186663, 299301389.0
    )
    # In summer 16:00 New York is an hour earlier in UTC.
    assert any(bar.ts == ns("2000-07-03T20:00") for bar in bars)


def test_frames_are_instants_in_time_order() -> None:
    frames = list(bar_frames(SourceSettings(end=datetime.date(2000, 12, 31))))
    for frame in frames:
        assert len({bar.ts for bar in frame}) == 1
        assert [bar.symbol for bar in frame] == sorted({bar.symbol for bar in frame})
    assert all(a[0].ts < b[0].ts for a, b in itertools.pairwise(frames))


def test_symbols_and_days_are_selected() -> None:
    day = datetime.date(2005, 1, 3)
    settings = SourceSettings(symbols=("IBM", "AAPL"), start=day, end=day)
    assert [bar.symbol for frame in bar_frames(settings) for bar in frame] == ["AAPL", "IBM"]
    with pytest.raises(ConfigError, match="'APPL' is not in the bars: did you mean AAPL"):
        read_bars(SourceSettings(symbols=("APPL",)))
    with pytest.raises(DataError, match="no bars are left"):
        read_bars(SourceSettings(end=datetime.date(1999, 1, 1)))


def test_the_sample_refuses_settings_that_it_cannot_honour() -> None:
    with pytest.raises(ConfigError, match="1d bars only, interval was '1h'"):
        read_bars(SourceSettings(interval="1h"))
    with pytest.raises(ConfigError, match="needs no path"):
        read_bars(SourceSettings(path="x.parquet"))


LAYOUTS = {
    "date and time": (
        "Date,Time,Open,High,Low,Close,Volume\n2020-01-02,09:30,1,3,.5,2,10\n",
        "2020-01-02T10:30",
    ),
    "time alone": (
        "Time,Open,High,Low,Close,Volume\n2020-01-02 09:30:00,1,3,.5,2,10\n",
        "2020-01-02T10:30",
    ),
    "yfinance with an offset": (
        "Datetime,Open,High,Low,Close,Adj Close,Volume\n"
        "2020-01-02 09:30:00-05:00,1,3,.5,2,1.9,10\n",
        "2020-01-02T15:30",
    ),
    "yfinance with three header lines": (
        "Price,Close,High,Low,Open,Volume\nTicker,A,A,A,A,A\nDatetime,,,,,\n"
        "2020-01-02 09:30:00+00:00,2,3,.5,1,10\n",
        "2020-01-02T10:30",
    ),
    "stooq": (
        "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\n"
        "A.US,60,20200102,093000,1,3,.5,2,10,0\n",
        "2020-01-02T10:30",
    ),
    "MetaTrader 5": (
        "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\n"
        "2020.01.02\t09:30:00\t1\t3\t0.5\t2\t10\t0\t1\n",
        "2020-01-02T10:30",
    ),
    "MetaTrader 4, no header": ("2020.01.02,09:30,1,3,0.5,2,10\n", "2020-01-02T10:30"),
    "milliseconds since 1970": (
        "Open time,Open,High,Low,Close,Volume\n1577957400000,1,3,.5,2,10\n\n",
        "2020-01-02T10:30",
    ),
    "semicolons and decimal commas": (
        "Date;Time;Open;High;Low;Close;Volume\n02.01.2020;09:30;1,0;3,0;0,5;2;10\n",
        "2020-01-02T10:30",
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_csv_layouts_of_vendors_are_read(tmp_path: Path, layout: str) -> None:
    text, close = LAYOUTS[layout]
    file = tmp_path / "A.csv"
    file.write_text(text)
    settings = SourceSettings(kind="csv", path=str(file), interval="1h")
    (frame,) = bar_frames(settings)
    symbol = "A.US" if layout == "stooq" else "A"
    assert frame == [Bar(symbol, "1h", ns(close), 1.0, 3.0, 0.5, 2.0, 10.0)]


@pytest.mark.parametrize("stamp", ["2020-01-02", "2020-01-02 00:00:00-05:00", "20200102"])
def test_a_daily_stamp_is_the_session_as_written(tmp_path: Path, stamp: str) -> None:
    file = tmp_path / "A.csv"
    file.write_text(f"Date,Open,High,Low,Close,Volume\n{stamp},1,2,1,2,10\n")
    (frame,) = bar_frames(SourceSettings(kind="csv", path=str(file)))
    assert frame[0].ts == ns("2020-01-02T21:00")


def test_local_times_follow_their_zone_and_stamps_may_be_closes(tmp_path: Path) -> None:
    file = tmp_path / "A.csv"
    file.write_text("Time,Open,High,Low,Close,Volume\n2020-07-01 09:30,1,2,1,2,10\n")
    settings = SourceSettings(
        kind="csv", path=str(file), interval="1h", timezone="America/New_York", stamp="close"
    )
    (frame,) = bar_frames(settings)
    assert frame[0].ts == ns("2020-07-01T13:30")


def test_a_local_time_that_a_clock_change_repeats_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "A.csv"
    file.write_text("Time,Open,High,Low,Close,Volume\n2020-11-01 01:30,1,2,1,2,10\n")
    settings = SourceSettings(
        kind="csv", path=str(file), interval="1h", timezone="America/New_York"
    )
    with pytest.raises(DataError, match="row 2: time must be a time in America/New_York"):
        read_bars(settings)


def test_a_folder_holds_one_file_per_symbol(tmp_path: Path) -> None:
    for name in ("AAA", "BBB"):
        (tmp_path / f"{name}.csv").write_text(
            "Date,Open,High,Low,Close,Volume\n2020-01-02,1,2,1,2,10\n"
        )
    everything = SourceSettings(kind="csv", dir=str(tmp_path))
    assert [bar.symbol for frame in bar_frames(everything) for bar in frame] == ["AAA", "BBB"]
    one = SourceSettings(kind="csv", dir=str(tmp_path), symbols=("BBB",))
    assert [bar.symbol for frame in bar_frames(one) for bar in frame] == ["BBB"]
    absent = SourceSettings(kind="csv", dir=str(tmp_path), symbols=("CCC",))
    with pytest.raises(ConfigError, match=r"none for CCC: expected CCC\.csv"):
        read_bars(absent)


GOOD_ROW = "2020-01-02,10,12,9,11,100"
BAD_ROWS = {
    "2020-01-03,10,9,12,11,100": "row 3: high must be >= low, was 9.0",
    "2020-01-03,13,12,9,11,100": r"row 3: open must lie in \[low, high\], was 13.0",
    "2020-01-03,10,12,9,nan,100": "row 3: close must be a finite number, was nan",
    "2020-01-03,10,12,9,,100": "row 3: close must be a number, was None",
    "2020-01-03,10,12,9,n/a,100": "row 3: close must be a number, was 'n/a'",
    "2020-01-03,10,12,0,11,100": "row 3: low must be > 0, was 0.0",
    "2020-01-03,10,12,9,11,-1": "row 3: volume must be >= 0, was -1.0",
    "2020-01-02,10,12,9,11,100": "row 3: ts repeats the bar before it",
    "2020-01-01,10,12,9,11,100": "row 3: ts is before the bar above it: sort by time",
    "2020-13-01,10,12,9,11,100": "row 3: time must be a time in UTC, was '2020-13-01'",
    "01/02/2020,10,12,9,11,100": "row 3: time must be a time in UTC, was '01/02/2020'",
}


@pytest.mark.parametrize("row", BAD_ROWS)
def test_a_bar_that_cannot_be_used_names_its_file_and_row(tmp_path: Path, row: str) -> None:
    file = tmp_path / "A.csv"
    file.write_text(f"Date,Open,High,Low,Close,Volume\n{GOOD_ROW}\n{row}\n")
    with pytest.raises(DataError, match=BAD_ROWS[row]) as caught:
        read_bars(SourceSettings(kind="csv", path=str(file)))
    assert str(file) in str(caught.value)


def test_a_file_without_a_column_names_it(tmp_path: Path) -> None:
    file = tmp_path / "A.csv"
    file.write_text("Date,Open,High,Low,Close\n2020-01-02,1,2,1,2\n")
    with pytest.raises(DataError, match="needs a column Volume, has Date, Open, High, Low, Close"):
        read_bars(SourceSettings(kind="csv", path=str(file)))


def test_parquet_rows_are_checked_and_named(tmp_path: Path) -> None:

    file = tmp_path / "bars.parquet"
    day = datetime.date(2020, 1, 2)
    columns = {
        "symbol": ["A", "A"],
        "ts": [day, day + datetime.timedelta(days=1)],
        "open": [1.0, 1.0],
        "high": [2.0, 0.5],
        "low": [1.0, 1.0],
        "close": [2.0, 1.0],
        "volume": [1.0, 1.0],
    }
    pl.DataFrame(columns).write_parquet(file)
    with pytest.raises(DataError, match=r"row 2: high must be >= low, was 0\.5"):
        read_bars(SourceSettings(kind="parquet", path=str(file)))
    pl.DataFrame(columns).head(1).write_parquet(file)
    (frame,) = bar_frames(SourceSettings(kind="parquet", path=str(file), session="crypto"))
    assert frame[0].ts == ns("2020-01-03T00:00")


def test_a_bench_file_reads_when_it_is_there() -> None:
    file = Path(__file__).parents[4] / "shared/data/bench/spy_1h_lean.parquet"
    if not file.exists():
        pytest.skip("shared/data/bench is not beside this checkout")
    bars = read_bars(SourceSettings(kind="parquet", path=str(file), interval="1h"))
    assert bars["ts"][0] == ns("1998-01-02T15:00")
    assert len(bars) == 40_832
