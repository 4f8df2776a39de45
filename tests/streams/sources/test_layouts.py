"""Bars in the layouts that vendors write: one small file of each, as it comes from them."""

import datetime
from pathlib import Path

import pytest

from streams.errors import ConfigError, DataError
from streams.source import bar_frames, check_bars, read_bars
from streams.source_settings import SourceSettings

HEADER = b"Date,Open,High,Low,Close,Volume\n"
GOOD = b"2020-01-02,1,3,.5,2,10\n"


def ns(text: str) -> int:
    moment = datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)
    return int(moment.timestamp()) * 1_000_000_000


# Text, interval, further settings, and the closes of both bars in UTC.
LAYOUTS: dict[str, tuple[str, str, dict[str, object], tuple[str, str]]] = {
    "TradeStation daily": (
        '"Date","Time","Open","High","Low","Close","Vol","OI"\n'
        "01/30/2020,17:00,1,3,.5,2,10,7\n01/31/2020,17:00,1,3,.5,2,10,7\n",
        "1d",
        {"session": "futures"},
        ("2020-01-30T22:00", "2020-01-31T22:00"),
    ),
    "TradeStation intraday, up and down volume, stamped with the close": (
        '"Date","Time","Open","High","Low","Close","Up","Down"\n'
        "1/31/2020,935,1,3,.5,2,4,6\n1/31/2020,940,1,3,.5,2,10,0\n",
        "5m",
        {"timezone": "America/New_York", "stamp": "close"},
        ("2020-01-31T14:35", "2020-01-31T14:40"),
    ),
    "the original's Date/Time, twelve hours": (
        "Date/Time,Open,High,Low,Close,Volume\n"
        "1/31/2020 11:00:00 AM,1,3,.5,2,10\n1/31/2020 12:00:00 PM,1,3,.5,2,10\n",
        "1h",
        {},
        ("2020-01-31T12:00", "2020-01-31T13:00"),
    ),
    "NinjaTrader intraday": (
        "20200102 093000;1;3;0.5;2;10\n20200102 094500;1;3;0.5;2;10\n",
        "15m",
        {"stamp": "close"},
        ("2020-01-02T09:30", "2020-01-02T09:45"),
    ),
    "NinjaTrader daily": (
        "20200102;1;3;0.5;2;10\n20200103;1;3;0.5;2;10\n",
        "1d",
        {},
        ("2020-01-02T21:00", "2020-01-03T21:00"),
    ),
    "Kibot daily": (
        "01/02/2020,1,3,.5,2,10\n01/13/2020,1,3,.5,2,10\n",
        "1d",
        {},
        ("2020-01-02T21:00", "2020-01-13T21:00"),
    ),
    "Kibot intraday": (
        "01/13/2020,09:30,1,3,.5,2,10\n01/13/2020,09:45,1,3,.5,2,10\n",
        "15m",
        {"timezone": "America/New_York"},
        ("2020-01-13T14:45", "2020-01-13T15:00"),
    ),
    "Alpha Vantage, newest first": (
        "timestamp,1. open,2. high,3. low,4. close,5. volume\n2020-01-06,9,9,9,9,1\n"
        "2020-01-03,1,3,.5,2,10\n2020-01-02,1,3,.5,2,10\n",
        "1d",
        {"end": datetime.date(2020, 1, 5)},
        ("2020-01-02T21:00", "2020-01-03T21:00"),
    ),
    "Binance klines in milliseconds": (
        "1577836800000,1,3,.5,2,10,1577840399999,9,1,5,4,0\n"
        "1577840400000,1,3,.5,2,10,1577843999999,9,1,5,4,0\n",
        "1h",
        {"session": "crypto"},
        ("2020-01-01T01:00", "2020-01-01T02:00"),
    ),
    "Binance klines in microseconds, daily": (
        "open_time,open,high,low,close,volume,close_time,quote_volume,count,x,y,ignore\n"
        "1735689600000000,1,3,.5,2,10,1735775999999999,9,1,5,4,0\n"
        "1735776000000000,1,3,.5,2,10,1735862399999999,9,1,5,4,0\n",
        "1d",
        {"session": "crypto"},
        ("2025-01-02T00:00", "2025-01-03T00:00"),
    ),
    "Interactive Brokers, two blanks": (
        "date,open,high,low,close,volume,average,barCount\n"
        "20200102  09:30:00,1,3,.5,2,10,1.5,3\n20200102  09:45:00,1,3,.5,2,10,1.5,3\n",
        "15m",
        {"timezone": "America/New_York"},
        ("2020-01-02T14:45", "2020-01-02T15:00"),
    ),
    "Interactive Brokers, zone behind the stamp": (
        "Date,Open,High,Low,Close,Volume\n"
        "20200102 09:30:00 US/Eastern,1,3,.5,2,10\n20200102 09:45:00 US/Eastern,1,3,.5,2,10\n",
        "15m",
        {},
        ("2020-01-02T14:45", "2020-01-02T15:00"),
    ),
    "Interactive Brokers, UTC with a dash": (
        "Date,Open,High,Low,Close,Volume\n"
        "20200102-14:30:00,1,3,.5,2,10\n20200102-14:45:00,1,3,.5,2,10\n",
        "15m",
        {"timezone": "America/New_York"},
        ("2020-01-02T14:45", "2020-01-02T15:00"),
    ),
    "TradingView, unix time of the session's open": (
        "time,open,high,low,close,Volume,RSI\n1577975400,1,3,.5,2,10,50\n"
        "1578061800,1,3,.5,2,10,50\n",
        "1d",
        {},
        ("2020-01-02T21:00", "2020-01-03T21:00"),
    ),
    "TradingView futures, whose session opens the evening before": (
        "time,open,high,low,close,Volume\n1578006000,1,3,.5,2,10\n1578265200,1,3,.5,2,10\n",
        "1d",
        {"session": "futures"},
        ("2020-01-03T22:00", "2020-01-06T22:00"),
    ),
    "TradingView in ISO": (
        "time,open,high,low,close,Volume\n2020-01-02T09:30:00-05:00,1,3,.5,2,10\n"
        "2020-01-02T09:45:00-05:00,1,3,.5,2,10\n",
        "15m",
        {},
        ("2020-01-02T14:45", "2020-01-02T15:00"),
    ),
    "Stooq daily": (
        "Date,Open,High,Low,Close,Volume\n2020-01-02,1,3,.5,2,10\n2020-01-03,1,3,.5,2,10\n",
        "1d",
        {},
        ("2020-01-02T21:00", "2020-01-03T21:00"),
    ),
    "MetaStock": (
        "<TICKER>,<PER>,<DTYYYYMMDD>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>\n"
        "A,D,20200102,000000,1,3,.5,2,10\nA,D,20200103,000000,1,3,.5,2,10\n",
        "1d",
        {},
        ("2020-01-02T21:00", "2020-01-03T21:00"),
    ),
    "yfinance": (
        "Date,Open,High,Low,Close,Adj Close,Volume,Dividends,Stock Splits\n"
        "2020-01-02,1,3,.5,2,1.8,10,0,0\n2020-01-03,1,3,.5,2,1.8,10,0,0\n",
        "1d",
        {},
        ("2020-01-02T21:00", "2020-01-03T21:00"),
    ),
    "Nasdaq, dollars and thousands": (
        'Date,Close/Last,Volume,Open,High,Low\n01/31/2020,$2.00,"10",$1.00,$3.00,$0.50\n'
        '02/03/2020,$2.00,"10",$1.00,$3.00,$0.50\n',
        "1d",
        {},
        ("2020-01-31T21:00", "2020-02-03T21:00"),
    ),
    "Investing.com, names of months and a short volume": (
        'Date,Price,Open,High,Low,Vol.,Change %\n"Jan 02, 2020",2,1,3,.5,0.01K,1%\n'
        '"Jan 03, 2020",2,1,3,.5,0.01K,1%\n',
        "1d",
        {},
        ("2020-01-02T21:00", "2020-01-03T21:00"),
    ),
    "NSE, day and name of the month": (
        "Date,Open,High,Low,Close,Volume\n02-Jan-20,1,3,.5,2,10\n03-Jan-20,1,3,.5,2,10\n",
        "1d",
        {},
        ("2020-01-02T21:00", "2020-01-03T21:00"),
    ),
    "Kraken, no header": (
        "1577836800,1,3,.5,2,10,4\n1577840400,1,3,.5,2,10,4\n",
        "1h",
        {"session": "crypto"},
        ("2020-01-01T01:00", "2020-01-01T02:00"),
    ),
    "CryptoDataDownload, an address above the header": (
        "https://www.CryptoDataDownload.com\nunix,date,symbol,open,high,low,close,Volume BTC\n"
        "1577836800,2020-01-01 00:00:00,A,1,3,.5,2,10\n"
        "1577840400,2020-01-01 01:00:00,A,1,3,.5,2,10\n",
        "1h",
        {"session": "crypto"},
        ("2020-01-01T01:00", "2020-01-01T02:00"),
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_of_vendors_are_read(tmp_path: Path, layout: str) -> None:
    text, interval, more, closes = LAYOUTS[layout]
    file = tmp_path / "A.csv"
    file.write_text(text)
    settings = SourceSettings(kind="csv", path=str(file), interval=interval, **more)  # type: ignore[arg-type]
    bars = [bar for frame in bar_frames(settings) for bar in frame]
    assert [bar.ts for bar in bars] == [ns(close) for close in closes]
    for bar in bars:
        assert (bar.symbol, bar.open, bar.high, bar.low, bar.close) == ("A", 1.0, 3.0, 0.5, 2.0)
        assert bar.volume == 10.0


def test_a_file_in_utf_16_is_read(tmp_path: Path) -> None:
    file = tmp_path / "A.csv"
    file.write_text("Date,Open,High,Low,Close,Volume\n2020-01-02,1,3,.5,2,10\n", encoding="utf-16")
    assert read_bars(SourceSettings(kind="csv", path=str(file)))["close"].to_list() == [2.0]


def dated(tmp_path: Path, *stamps: str, params: dict[str, str] | None = None) -> SourceSettings:
    file = tmp_path / "A.csv"
    rows = "".join(f"{stamp},1,3,.5,2,10\n" for stamp in stamps)
    file.write_text(f"Date,Open,High,Low,Close,Volume\n{rows}")
    return SourceSettings(kind="csv", path=str(file), params=params or {})


def days_of(settings: SourceSettings) -> list[str]:
    closes = read_bars(settings)["ts"].to_list()
    return [str(datetime.datetime.fromtimestamp(ts / 1e9, datetime.UTC).date()) for ts in closes]


def test_the_whole_column_says_whether_months_or_days_come_first(tmp_path: Path) -> None:
    ambiguous_first = ["01/02/2020", "01/03/2020"]
    american = dated(tmp_path, *ambiguous_first, "01/13/2020")
    assert days_of(american) == ["2020-01-02", "2020-01-03", "2020-01-13"]
    european = dated(tmp_path, *ambiguous_first, "13/03/2020")
    assert days_of(european) == ["2020-02-01", "2020-03-01", "2020-03-13"]


@pytest.mark.parametrize("separator", ["/", "-"])
def test_dates_in_doubt_are_refused_unless_a_setting_says(tmp_path: Path, separator: str) -> None:
    stamps = [stamp.replace("/", separator) for stamp in ("01/02/2020", "02/03/2020")]
    with pytest.raises(DataError, match=r"such as '01.02.2020' .* set data\.params\.date_order"):
        read_bars(dated(tmp_path, *stamps))
    month_first = dated(tmp_path, *stamps, params={"date_order": "mdy"})
    assert days_of(month_first) == ["2020-01-02", "2020-02-03"]
    day_first = dated(tmp_path, *stamps, params={"date_order": "dmy"})
    assert days_of(day_first) == ["2020-02-01", "2020-03-02"]


def test_a_column_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    words = r"day first \('13/01/2020'\) and with the month first \('01/14/2020'\)"
    with pytest.raises(DataError, match=words):
        read_bars(dated(tmp_path, "13/01/2020", "01/14/2020"))


def test_years_of_two_digits_are_of_the_century_that_posix_says(tmp_path: Path) -> None:
    assert days_of(dated(tmp_path, "12/31/98", "01/04/68")) == ["1998-12-31", "2068-01-04"]


@pytest.mark.parametrize(
    "stamp",
    [
        "2020-02-30", "31.02.2020", "2020-01-02 25:00", "13:61",
        # No int64 of nanoseconds holds these: they must not come back as 2184 and 1816.
        "1600-01-01", "9999-12-31", "9999-12-31 10:00", "1/13/1600", "9999999999", "9999999999999",
    ],
)  # fmt: skip
def test_a_stamp_that_is_no_time_is_refused(tmp_path: Path, stamp: str) -> None:
    with pytest.raises(DataError, match=r"row 2: time must be a time in UTC, was"):
        read_bars(dated(tmp_path, stamp))


@pytest.mark.parametrize(
    ("written", "hour"),
    [("12:15 AM", 0), ("1:15 am", 1), ("12:15 p.m.", 12), ("11:15PM", 23), ("13:15 PM", None)],
)
def test_twelve_hours_are_read(tmp_path: Path, written: str, hour: int | None) -> None:
    file = tmp_path / "A.csv"
    file.write_text(f"Time,Open,High,Low,Close,Volume\n2020-01-02 {written},1,3,.5,2,10\n")
    settings = SourceSettings(kind="csv", path=str(file), interval="1h", stamp="close")
    if hour is None:
        with pytest.raises(DataError, match="must be a time"):
            read_bars(settings)
    else:
        assert read_bars(settings)["ts"].to_list() == [ns(f"2020-01-02T{hour:02}:15")]


def test_a_zone_that_there_is_not_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "A.csv"
    file.write_text("Time,Open,High,Low,Close,Volume\n2020-01-02 09:30,1,3,.5,2,10\n")
    with pytest.raises(ConfigError, match=r"timezone must be a name of the IANA data base.*'Mars'"):
        read_bars(SourceSettings(kind="csv", path=str(file), interval="1h", timezone="Mars"))


def test_a_missing_volume_is_refused_or_by_a_setting_0_with_a_word(tmp_path: Path) -> None:
    file = tmp_path / "A.csv"
    file.write_text("Date,Open,High,Low,Close\n2020-01-02,1,3,.5,2\n")
    with pytest.raises(DataError, match=r"data\.params\.volume=zero"):
        read_bars(SourceSettings(kind="csv", path=str(file)))
    settings = SourceSettings(kind="csv", path=str(file), params={"volume": "zero"})
    assert read_bars(settings)["volume"].to_list() == [0.0]
    assert "has no column Volume: it is 0" in check_bars(settings).describe()
    assert "zero_volume" not in check_bars(settings).findings


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "A.csv"
    file.write_text("Date,Open,High,Low,Close,Close,Volume\n2020-01-02,1,3,.5,2,2,10\n")
    with pytest.raises(DataError, match="has 2 columns Close"):
        read_bars(SourceSettings(kind="csv", path=str(file)))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "has none$"),
        (b"Date,Open,High,Low,Close,Volume\n", "nothing below its header$"),
        (b"\x00\x1b[2J" + b"x" * 10_000, r"has \?\?\[2Jx{195} …$"),
        (HEADER + b"0,2020-01-02,1,3,.5,2,10\n", "rows of 7 fields under a header of 6: name"),
        (HEADER + GOOD + b"2020-01-03,1,3,.5,2,10,7,8\n", "no row with more fields than the first"),
        (HEADER + b'"2020-01-02,1,3,.5,2,10\n', "every quotation mark closed$"),
        (HEADER + b"2020-01-02,1,3,.5,2,\xfc\n", "must be text in UTF-8"),
    ],
)
def test_what_is_no_file_of_bars_is_told_in_a_printable_line(
    tmp_path: Path, content: bytes, words: str
) -> None:
    file = tmp_path / "A.csv"
    file.write_bytes(content)
    with pytest.raises(DataError, match=words) as told:
        read_bars(SourceSettings(kind="csv", path=str(file)))
    assert str(told.value).isprintable()
    assert len(str(told.value).removeprefix(str(file))) < 300


def test_rows_may_end_in_a_separator_that_the_header_lacks(tmp_path: Path) -> None:
    file = tmp_path / "A.csv"
    file.write_bytes(HEADER + GOOD.replace(b"\n", b",\n"))
    assert read_bars(SourceSettings(kind="csv", path=str(file)))["close"].to_list() == [2.0]


def test_lines_may_end_in_a_carriage_return_alone(tmp_path: Path) -> None:
    file = tmp_path / "A.csv"
    file.write_bytes((HEADER + b"2020-01-02,1,3,.5,2,10\n").replace(b"\n", b"\r"))
    assert read_bars(SourceSettings(kind="csv", path=str(file)))["close"].to_list() == [2.0]


def test_a_time_that_the_clock_repeats_is_refused_with_the_reason(tmp_path: Path) -> None:
    file = tmp_path / "A.csv"
    file.write_bytes(HEADER + b"2020-11-01 01:30,1,3,.5,2,10\n")
    place = {"kind": "csv", "path": str(file), "interval": "1h"}
    words = "a time in America/New_York, neither skipped nor repeated by the clock, was '2020-11-01"
    with pytest.raises(DataError, match=words):
        read_bars(SourceSettings(**place, timezone="America/New_York"))
    assert len(read_bars(SourceSettings(**place))) == 1


def test_blanks_about_a_symbol_are_none_of_it_and_a_blank_one_is_a_fault(tmp_path: Path) -> None:
    file = tmp_path / "A.csv"
    rows = "".join(f"{name},2020-01-02,1,3,.5,2,10\n" for name in (" ES ", "ES", '""', "A/B"))
    file.write_text(f"Symbol,{HEADER.decode()}{rows}")
    settings = SourceSettings(kind="csv", path=str(file), validation="drop")
    assert read_bars(settings)["symbol"].to_list() == ["A/B", "ES"]
    assert check_bars(settings).faults == {"symbol": 1, "duplicate": 1}


def test_bars_of_minutes_are_not_taken_for_daily_ones_without_a_word(tmp_path: Path) -> None:
    file = tmp_path / "A.csv"
    rows = "".join(f"2020-01-02 10:{minute},1,3,.5,2,{minute}\n" for minute in range(10, 15))
    file.write_text(HEADER.decode() + rows)
    settings = SourceSettings(kind="csv", path=str(file))
    words = "4 of 5 bars share their day with another before them: is the interval 1d"
    with pytest.raises(DataError, match=words):
        read_bars(settings)
    assert words in check_bars(settings).describe()


@pytest.mark.parametrize("text", ["", "\n", "x", "Date,Open,High,Low,Close,Volume\n"])
def test_a_file_without_bars_is_refused_in_words(tmp_path: Path, text: str) -> None:
    file = tmp_path / "A.csv"
    file.write_text(text)
    with pytest.raises(DataError, match=r"A\.csv|no bars are left"):
        read_bars(SourceSettings(kind="csv", path=str(file)))
