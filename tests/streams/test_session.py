"""Sessions know their close and their local time, across every change of the clocks."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import ConfigError, DataError
from streams.session import session, session_names

NEW_YORK = ZoneInfo("America/New_York")
YEAR_2100_S = 4_102_444_800


def label(*days: str) -> np.ndarray:
    return np.array(days, dtype="datetime64[ns]").astype(np.int64)


def utc(*instants: str) -> list[int]:
    return [int(datetime.fromisoformat(f"{i}Z").timestamp()) * 10**9 for i in instants]


def test_an_equity_day_closes_at_four_in_new_york_summer_and_winter():
    closes = session("us_equity").daily_close_ns(label("2024-01-05", "2024-07-05"))
    assert closes.dtype == np.int64
    assert closes.tolist() == utc("2024-01-05 21:00", "2024-07-05 20:00")


@pytest.mark.parametrize("name", ["futures", "fx"])
def test_futures_and_fx_close_at_five_in_new_york(name: str):
    closes = session(name).daily_close_ns(label("2024-01-05", "2024-07-05"))
    assert closes.tolist() == utc("2024-01-05 22:00", "2024-07-05 21:00")


def test_a_crypto_day_closes_at_the_next_midnight():
    closes = session("crypto").daily_close_ns(label("2024-02-28", "2024-02-29", "2024-12-31"))
    assert closes.tolist() == utc("2024-02-29 00:00", "2024-03-01 00:00", "2025-01-01 00:00")


@pytest.mark.parametrize(
    ("day", "close"),
    [
        ("2024-03-09", "2024-03-09 21:00"),  # the clocks go forward the next morning
        ("2024-03-10", "2024-03-10 20:00"),
        ("2024-11-02", "2024-11-02 20:00"),  # and back
        ("2024-11-03", "2024-11-03 21:00"),
        ("2006-04-02", "2006-04-02 20:00"),  # by the rule before 2007
        ("2007-03-12", "2007-03-12 20:00"),  # and the first under the new one
        ("1974-01-07", "1974-01-07 20:00"),  # daylight saving time all year round
        ("2090-07-07", "2090-07-07 20:00"),  # beyond the tables of many systems
    ],
)
def test_the_close_follows_the_clocks(day: str, close: str):
    assert session("us_equity").daily_close_ns(label(day)).tolist() == utc(close)


def test_the_offset_changes_at_the_second_the_clocks_do():
    equity = session("us_equity")
    (spring,) = utc("2024-03-10 07:00")
    (autumn,) = utc("2024-11-03 06:00")
    assert equity.utc_offset_seconds(spring - 1) == -18_000.0
    assert equity.utc_offset_seconds(spring) == -14_400.0
    assert equity.utc_offset_seconds(autumn - 1) == -14_400.0
    assert equity.utc_offset_seconds(autumn) == -18_000.0


@given(st.integers(0, YEAR_2100_S))
def test_offsets_are_those_of_the_zone(second: int):
    wanted = datetime.fromtimestamp(second, UTC).astimezone(NEW_YORK).utcoffset().total_seconds()
    ts = second * 10**9
    assert session("us_equity").utc_offset_seconds(ts) == wanted
    assert session("us_equity").utc_offsets(np.array([ts])).tolist() == [wanted]
    assert session("crypto").utc_offset_seconds(ts) == 0.0


@given(st.integers(1, 47_000))
def test_a_close_is_at_the_same_local_time_every_day(day: int):
    for name, hour in (("us_equity", 16), ("futures", 17), ("fx", 17)):
        close = session(name).daily_close_ns(np.array([day * 86_400 * 10**9]))[0]
        local = datetime.fromtimestamp(int(close) / 1e9, UTC).astimezone(NEW_YORK)
        assert (local.hour, local.minute, local.second) == (hour, 0, 0)
        assert local.date() == datetime.fromtimestamp(day * 86_400, UTC).date()


def test_instants_outside_the_table_have_an_offset_too():
    equity = session("us_equity")
    assert equity.utc_offset_seconds(-1) == -18_000.0
    assert equity.utc_offsets(np.array([-1, 2**63 - 1])).tolist()[0] == -18_000.0
    assert equity.utc_offset_seconds(2**63 - 1) in (-18_000.0, -14_400.0)


def test_an_unknown_session_names_the_nearest():
    with pytest.raises(ConfigError, match=r"session 'us_equities' is not known.*us_equity"):
        session("us_equities")
    assert session_names() == ("crypto", "futures", "fx", "us_equity")


def test_a_label_that_is_not_a_date_is_refused():
    with pytest.raises(DataError, match="must be stamped 00:00 UTC, was 2024-01-05T16:00"):
        session("us_equity").daily_close_ns(label("2024-01-05T16:00"))


def test_no_dates_give_no_closes():
    assert session("us_equity").daily_close_ns(np.array([], dtype=np.int64)).tolist() == []


def dates_of(name: str, *instants: str, is_close: bool) -> list[str]:
    found = session(name).session_date_ns(np.array(utc(*instants)), is_close=is_close)
    return [str(date) for date in found.astype("datetime64[ns]").astype("datetime64[D]")]


@pytest.mark.parametrize("name", ["futures", "fx"])
def test_around_the_clock_the_next_session_begins_at_the_close(name: str):
    # Friday 17:00 in New York, then Sunday 18:00.
    end, evening = "2024-01-05 22:00", "2024-01-07 23:00"
    assert dates_of(name, end, evening, is_close=True) == ["2024-01-05", "2024-01-08"]
    assert dates_of(name, end, evening, is_close=False) == ["2024-01-06", "2024-01-08"]


def test_an_equity_session_is_the_day_in_new_york():
    early, late = "2024-07-05 09:00", "2024-07-06 00:00"
    assert dates_of("us_equity", early, late, is_close=True) == ["2024-07-05"] * 2


def test_a_crypto_session_is_the_day_in_utc():
    midnight = "2024-07-05 00:00"
    assert dates_of("crypto", midnight, is_close=True) == ["2024-07-04"]
    assert dates_of("crypto", midnight, is_close=False) == ["2024-07-05"]


@given(st.integers(1, 47_000), st.sampled_from(session_names()))
def test_a_daily_close_lies_in_its_session(day: int, name: str):
    label_ns = np.array([day * 86_400 * 10**9])
    market = session(name)
    closes = market.daily_close_ns(label_ns)
    assert market.session_date_ns(closes, is_close=True).tolist() == label_ns.tolist()
