"""Strict, drop and repair: what becomes of bars that cannot be used, and what the report says."""

import datetime
from pathlib import Path

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from streams.errors import DataError
from streams.source import check_bars, read_bars, read_bars_reported
from streams.source_settings import SourceSettings
from streams.sources.faults import judged
from streams.sources.raw_bars import RAW_COLUMNS, RawBars, joined
from streams.sources.table import PRICES, VALUES
from streams.sources.validated import checked, validated
from streams.sources.validation_report import FAULTS, FINDINGS, ValidationReport

DAY_NS = 86_400_000_000_000
HEADER = "Date,Open,High,Low,Close,Volume\n"
# One bar of every kind of fault, among good ones.
FAULTY = {
    "2020-01-02": "10,12,9,11,100",
    "2020-01-03": "10,11,9,12,100",  # ohlc: the close above the high
    "2020-01-06": "10,12,9,,100",  # missing
    "2020-01-07": "10,12,0,11,100",  # price
    "2020-01-08": "10,12,9,11,-1",  # volume
    "2020-01-10": "10,12,9,11,100",
    "2020-01-09": "10,12,9,10,100",  # order
    "2020-01-10 ": "10,12,9,11,100",  # duplicate
    "2020-01-13": "10,12,9,11,100",
    "2020-01-13 ": "10,12,9,10,100",  # conflict
    "2020-13-14": "10,12,9,11,100",  # time
}
FAULTS_MADE = {
    "time": 1, "missing": 1, "price": 1, "volume": 1, "ohlc": 1, "order": 1, "duplicate": 1,
    "conflict": 1,
}  # fmt: skip


def settings_of(tmp_path: Path, validation: str) -> SourceSettings:
    file = tmp_path / "A.csv"
    file.write_text(HEADER + "".join(f"{day},{bar}\n" for day, bar in FAULTY.items()))
    return SourceSettings(kind="csv", path=str(file), validation=validation)  # type: ignore[arg-type]


def days(table: pl.DataFrame) -> list[int]:
    return [datetime.datetime.fromtimestamp(t / 1e9, datetime.UTC).day for t in table["ts"]]


def test_strict_refuses_the_first_faulty_bar_of_the_file(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "strict")
    words = r"row 3: close must lie in \[low, high\], was 12\.0 .*; 8 bars are faulty"
    with pytest.raises(DataError, match=words):
        read_bars(settings)
    report = check_bars(settings)
    assert report.faults == FAULTS_MADE
    assert (report.bars_read, report.bars, report.repaired, report.dropped) == (11, 3, 0, 8)
    assert {example.action for example in report.examples} == {"refused", "kept"}


def test_drop_leaves_faulty_bars_out(tmp_path: Path) -> None:
    table, report = read_bars_reported(settings_of(tmp_path, "drop"))
    assert days(table) == [2, 10, 13]
    assert report.faults == FAULTS_MADE
    assert (report.bars, report.repaired, report.dropped) == (3, 0, 8)


def test_repair_mends_what_needs_no_price_to_be_made_up(tmp_path: Path) -> None:
    table, report = read_bars_reported(settings_of(tmp_path, "repair"))
    assert days(table) == [2, 3, 9, 10, 13]
    # The high is widened to the close, the first bar of an instant stays.
    assert table["high"].to_list() == [12.0] * 5
    assert table["close"].to_list() == [11.0, 12.0, 10.0, 11.0, 11.0]
    assert report.faults == FAULTS_MADE
    assert (report.bars, report.repaired, report.dropped) == (5, 2, 6)
    actions = {e.kind: e.action for e in report.examples if e.kind in FAULTS}
    mended = dict.fromkeys(("ohlc", "order"), "repaired")
    assert actions == dict.fromkeys(FAULTS_MADE, "dropped") | mended


def test_examples_say_where_a_bar_stands_and_what_it_was(tmp_path: Path) -> None:
    report = check_bars(settings_of(tmp_path, "repair"))
    said = {example.kind: example for example in report.examples}
    assert said["ohlc"].row == 3
    # As it was before it was repaired.
    assert said["ohlc"].what == "close must lie in [low, high], was 12.0 in [9.0, 11.0]"
    assert said["missing"].what == "close must be a number, was None"
    assert said["time"].what == "time must be a time in UTC, was '2020-13-14'"
    assert said["time"].ts is None
    text = report.describe()
    assert text.startswith("5 of 11 bars kept, 2 of them repaired, 6 dropped (time ×1")
    assert "row 9, A 2020-01-10 21:00: ts repeats the bar before it: remove one (dropped)" in text


def test_a_report_survives_json(tmp_path: Path) -> None:
    report = check_bars(settings_of(tmp_path, "repair"))
    again = msgspec.json.decode(msgspec.json.encode(report), type=ValidationReport)
    assert again == report
    assert report.as_document()["faults"] == FAULTS_MADE


def test_bars_that_are_not_asked_for_are_not_judged(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "strict")
    day = datetime.date(2020, 1, 2)
    file = Path(settings.path)
    file.write_text("\n".join(file.read_text().splitlines()[:-1]))
    early = msgspec.structs.replace(settings, end=day)
    assert days(read_bars(early)) == [2]


def test_a_day_in_two_files_is_a_repeat(tmp_path: Path) -> None:
    for name in ("2019", "2020"):
        (tmp_path / f"{name}.csv").write_text(
            "Date,Symbol,Open,High,Low,Close,Volume\n2020-01-02,A,1,3,1,2,10\n"
        )
    settings = SourceSettings(kind="csv", dir=str(tmp_path))
    with pytest.raises(DataError, match=r"2020\.csv row 2: ts repeats the bar before it"):
        read_bars(settings)


def test_bars_without_files_are_reported_too() -> None:
    settings = SourceSettings(kind="layer_b", interval="1h")
    table, report = read_bars_reported(settings)
    assert report.is_clean
    assert report.bars == len(table)


# Bars with every fault there may be, in any order, of two symbols in two files.
prices = st.sampled_from([10.0, 11.0, 12.0, 13.0])
odd = st.sampled_from([None, float("nan"), float("inf"), 0.0, -1.0])
value = st.one_of(prices, prices, prices, prices, prices, odd)
row = st.tuples(
    st.sampled_from(["A", "A", "A", "B", None]),
    st.one_of(st.integers(0, 12), st.integers(0, 12), st.none()),
    *[value] * 5,
)
tables = st.lists(st.lists(row, max_size=12), min_size=1, max_size=2)


def raw(files: list[list[tuple]]) -> RawBars:
    schema = {"row": pl.UInt32, "symbol": pl.String, "ts": pl.Int64}
    schema |= dict.fromkeys(VALUES, pl.Float64)
    nothing = pl.DataFrame(
        schema={"file": pl.UInt32, "row": pl.UInt32, "column": pl.String, "text": pl.String}
    )
    parts = []
    for i, rows in enumerate(files):
        stamped = [
            (n + 1, symbol, None if day is None else day * DAY_NS, *values)
            for n, (symbol, day, *values) in enumerate(rows)
        ]
        frame = pl.DataFrame(stamped, schema=schema, orient="row")
        frame = frame.with_columns(pl.lit(0, dtype=pl.UInt32).alias("file")).select(RAW_COLUMNS)
        parts.append(RawBars((f"{i}.csv",), frame, nothing))
    return joined(parts)


def settled(validation: str) -> SourceSettings:
    return SourceSettings(kind="csv", session="crypto", validation=validation)  # type: ignore[arg-type]


@limits(max_examples=50)
@given(tables)
def test_what_drop_and_repair_leave_strict_accepts(files: list[list[tuple]]) -> None:
    for repair in (False, True):
        kept = judged(raw(files).bars, repair=repair).kept
        again = RawBars(("a", "b"), kept, raw([[]]).unread)
        if len(kept):
            table, report = validated(again, settled("strict"))
            assert report.is_clean
            assert len(table) == len(kept)


@limits(max_examples=50)
@given(tables)
def test_repair_is_idempotent(files: list[list[tuple]]) -> None:
    once = judged(raw(files).bars, repair=True).kept
    twice = judged(once, repair=True)
    assert twice.kept.equals(once)
    assert twice.faulty.is_empty()


@limits(max_examples=50)
@given(tables, st.sampled_from(["strict", "repair", "drop"]))
def test_the_counts_of_a_report_add_up(files: list[list[tuple]], validation: str) -> None:
    report = checked(raw(files), settled(validation))
    assert report.bars_read == sum(map(len, files)) == report.bars + report.dropped
    assert sum(report.faults.values()) == report.repaired + report.dropped
    assert sum(check.bars for check in report.symbols) == report.bars
    assert sum(check.bars_read for check in report.symbols) == report.bars_read
    for kinds, counts in ((FAULTS, report.faults), (FINDINGS, report.findings)):
        told = {kind: sum(e.kind == kind for e in report.examples) for kind in kinds}
        assert {kind: n for kind, n in told.items() if n} == counts


@limits(max_examples=50)
@given(tables)
def test_repair_makes_no_price_up(files: list[list[tuple]]) -> None:
    read = raw(files).bars
    found = judged(read, repair=True)
    before = {(bar["file"], bar["row"]): bar for bar in read.iter_rows(named=True)}
    for bar in found.kept.iter_rows(named=True):
        was = before[bar["file"], bar["row"]]
        assert {bar[name] for name in PRICES} <= {was[name] for name in PRICES}
        assert all(bar[name] == was[name] for name in ("ts", "symbol", "open", "close", "volume"))
        assert bar["high"] >= was["high"]
        assert bar["low"] <= was["low"]
    for bar in found.faulty.iter_rows(named=True):
        was = before[bar["file"], bar["row"]]
        assert repr([bar[name] for name in RAW_COLUMNS]) == repr([*was.values()])


@limits(max_examples=50)
@given(st.lists(row, max_size=12), st.integers(0, 12))
def test_a_repair_does_not_know_what_comes_later(rows: list[tuple], count: int) -> None:
    whole = judged(raw([rows]).bars, repair=True).kept
    start = judged(raw([rows[:count]]).bars, repair=True).kept
    # Rows further down may lie between, and change nothing about those above them.
    assert whole.filter(pl.col("row") <= count).equals(start)
