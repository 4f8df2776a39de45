"""Findings: gaps by the market's own calendar, outliers, bars that stand still, no volume."""

import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from streams.source import check_bars
from streams.source_settings import SourceSettings
from streams.sources.findings import OUTLIER_DEVIATIONS
from streams.sources.trading_days import is_trading_day, nyse_holidays

BENCH = Path(__file__).parents[4] / "shared/data/bench"
EPOCH = datetime.date(1970, 1, 1)


def check(tmp_path: Path, stamps: list[str], prices: list[float] | None = None, **settings):
    file = tmp_path / "A.csv"
    closes = prices or [100.0 + i for i in range(len(stamps))]
    rows = [
        f"{stamp},{close},{close + 1},{close - 1},{close},{i + 1}"
        for i, (stamp, close) in enumerate(zip(stamps, closes, strict=True))
    ]
    file.write_text("\n".join(["Time,Open,High,Low,Close,Volume", *rows]))
    return check_bars(SourceSettings(kind="csv", path=str(file), **settings))


def said(report, kind: str) -> list[str]:
    return [example.what for example in report.examples if example.kind == kind]


@pytest.mark.parametrize(
    ("session", "stamps", "words"),
    [
        ("us_equity", ["2020-01-03", "2020-01-06"], []),  # a weekend
        ("us_equity", ["2020-07-02", "2020-07-06"], []),  # Independence Day on a Saturday
        ("us_equity", ["2012-10-26", "2012-10-31"], []),  # a hurricane
        ("us_equity", ["2020-01-03", "2020-01-07"], ["1 session missing before this bar"]),
        ("us_equity", ["2020-01-03", "2020-01-10"], ["4 sessions missing before this bar"]),
        ("crypto", ["2020-01-03", "2020-01-06"], ["2 sessions missing before this bar"]),
        ("fx", ["2019-12-31", "2020-01-02"], []),
        ("fx", ["2020-07-02", "2020-07-06"], ["1 session missing before this bar"]),
        ("futures", ["2020-07-02", "2020-07-06"], []),
    ],
)
def test_missing_sessions_are_gaps_and_closed_days_are_not(
    tmp_path: Path, session: str, stamps: list[str], words: list[str]
) -> None:
    assert said(check(tmp_path, stamps, session=session), "gap") == words


@pytest.mark.parametrize(
    ("session", "stamps", "words"),
    [
        ("us_equity", ["2020-01-02 14:30", "2020-01-02 17:30"], ["2 bars missing before this bar"]),
        ("us_equity", ["2020-01-02 20:00", "2020-01-03 14:30"], []),
        ("us_equity", ["2020-01-02 20:00", "2020-01-06 14:30"], ["1 session missing before this"]),
        ("fx", ["2020-01-03 21:00", "2020-01-05 22:00"], []),
        ("futures", ["2020-01-02 21:00", "2020-01-02 23:00"], []),
        ("futures", ["2020-01-02 23:00", "2020-01-03 01:00"], ["1 bar missing before this bar"]),
        ("crypto", ["2020-01-02 22:00", "2020-01-03 01:00"], ["2 bars missing before this bar"]),
    ],
)
def test_missing_bars_within_a_session_are_gaps(
    tmp_path: Path, session: str, stamps: list[str], words: list[str]
) -> None:
    found = said(check(tmp_path, stamps, session=session, interval="1h"), "gap")
    assert len(found) == len(words)
    for what, word in zip(found, words, strict=True):
        assert what.startswith(word)


def hours(count: int) -> list[str]:
    start = datetime.datetime(2020, 1, 1)
    return [str(start + datetime.timedelta(hours=i)) for i in range(count)]


def test_a_return_far_beyond_the_others_is_an_outlier(tmp_path: Path) -> None:
    prices = [100.0 + (0, 1, 3, 2)[i % 4] for i in range(60)]
    crypto = {"session": "crypto", "interval": "1h"}
    assert not check(tmp_path, hours(60), prices, **crypto).findings
    prices[40] *= 1 + 0.02 * OUTLIER_DEVIATIONS * 2
    report = check(tmp_path, hours(60), prices, **crypto)
    # There and back.
    assert report.findings == {"outlier": 2}
    assert [e.row for e in report.examples] == [42, 43]
    assert report.is_clean


def test_where_most_prices_stand_still_a_leap_is_an_outlier(tmp_path: Path) -> None:
    prices = [100.0] * 300
    prices[150] = 150.0
    report = check(tmp_path, hours(300), prices, session="crypto", interval="1h")
    assert report.findings == {"outlier": 2}


def test_an_outlier_is_judged_by_its_own_symbol(tmp_path: Path) -> None:
    rows = [
        f"{stamp},{symbol},{price},{price + 1},{price - 1},{price},1"
        for i, stamp in enumerate(hours(60))
        for symbol, price in (("CALM", 100.0 + i % 2), ("WILD", 100.0 + 40 * (i % 2)))
    ]
    file = tmp_path / "bars.csv"
    file.write_text("\n".join(["Time,Symbol,Open,High,Low,Close,Volume", *rows]))
    report = check_bars(SourceSettings(kind="csv", path=str(file), session="crypto", interval="1h"))
    assert not report.findings


def test_bars_that_stand_still_are_told_once_a_run(tmp_path: Path) -> None:
    file = tmp_path / "A.csv"
    closes = [2, 2, 3, 3, 3, 3, 2, 2, 2]
    rows = [f"{stamp},2,3,1,{close},5" for stamp, close in zip(hours(9), closes, strict=True)]
    file.write_text("\n".join(["Time,Open,High,Low,Close,Volume", *rows]))
    settings = SourceSettings(kind="csv", path=str(file), session="crypto", interval="1h")
    report = check_bars(settings)
    assert said(report, "stale") == [
        "4 identical bars in a row end here",
        "3 identical bars in a row end here",
    ]
    assert [e.row for e in report.examples] == [7, 10]


def test_a_bar_without_volume_is_told_of_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "A.csv"
    file.write_text("Date,Open,High,Low,Close,Volume\n2020-01-02,1,2,1,2,0\n2020-01-03,1,2,1,2,5\n")
    report = check_bars(SourceSettings(kind="csv", path=str(file)))
    assert report.findings == {"zero_volume": 1}
    assert report.bars == 2


def test_bars_of_another_interval_are_told_of(tmp_path: Path) -> None:
    daily = [str(EPOCH + datetime.timedelta(days=i)) for i in range(20_000, 20_020)]
    crypto = {"session": "crypto"}
    report = check(tmp_path, daily, interval="1h", **crypto)
    assert said(report, "interval") == ["bars stand 1440 minutes apart, interval is 1h"]
    assert "interval" not in check(tmp_path, daily, **crypto).findings
    weekly = [str(EPOCH + datetime.timedelta(days=7 * i)) for i in range(2_900, 2_920)]
    words = ["bars stand 10080 minutes apart, interval is 1d"]
    assert said(check(tmp_path, weekly, **crypto), "interval") == words


def test_holidays_of_the_exchange_are_those_that_it_lists() -> None:
    listed = {
        2000: "01-17 02-21 04-21 05-29 07-04 09-04 11-23 12-25",
        2021: "01-01 01-18 02-15 04-02 05-31 07-05 09-06 11-25 12-24",
        2022: "01-17 02-21 04-15 05-30 06-20 07-04 09-05 11-24 12-26",
        2024: "01-01 01-15 02-19 03-29 05-27 06-19 07-04 09-02 11-28 12-25",
    }
    for year, text in listed.items():
        weekdays = {day for day in nyse_holidays(year) if day.weekday() < 5 and day.year == year}
        assert " ".join(f"{day:%m-%d}" for day in sorted(weekdays)) == text


@pytest.mark.parametrize("name", ["spy_daily_lean", "us_equity_daily_200"])
def test_the_calendar_is_that_of_real_bars(name: str) -> None:
    file = BENCH / f"{name}.parquet"
    if not file.exists():
        pytest.skip("shared/data/bench is not beside this checkout")
    days = pl.read_parquet(file, columns=["ts"])["ts"].dt.date().unique().sort()
    traded = np.array([(day - EPOCH).days for day in days])
    expected = np.arange(traded[0], traded[-1] + 1)
    np.testing.assert_array_equal(traded, expected[is_trading_day("us_equity", expected)])


def test_the_sample_is_good_and_has_one_day_to_tell_of() -> None:
    report = check_bars(SourceSettings())
    assert report.is_clean
    # Apple fell by half in a day on 29 September 2000.
    assert report.findings == {"outlier": 1}


def test_before_1970_no_gap_is_told_of() -> None:
    days = np.arange(-400, 10)
    assert not is_trading_day("us_equity", days[:400]).any()
    # The first of January was a holiday.
    assert is_trading_day("us_equity", days[400:]).tolist() == [False, True, False, False] + [
        True
    ] * 5 + [False]
