"""What features know of other symbols: strictly before the bar, whatever way the bars come."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.bar_book import BarBook
from engine.context_book import ContextBook
from engine.context_kernels import BREADTH_SYMBOLS_MIN, RING_BARS, STALE_NS
from engine.context_settings import ContextSettings
from models.context import CONTEXT_FIELDS, CONTEXT_SIZE
from streams.columns import columns_of, pack_bars
from streams.events import Bar, Reset
from tests.engine.context_oracle import ContextOracle
from tests.engine.market import DAY_NS, START_NS

SYMBOLS = tuple(f"S{number:02}" for number in range(12))
SECTORS = {"S03": "S01", "S04": "S01", "S05": "S02", "S00": "S02"}
WHOLE = ContextSettings(market="S00", sectors=SECTORS, breadth=True)
DAYS = 260
MISSING = 0.1


def bar(symbol: str, day: int, close: float, interval: str = "1d") -> Bar:
    return Bar(symbol, interval, START_NS + day * DAY_NS, close, close, close, close, 1.0)


def some_market(seed: int = 1, days: int = DAYS, symbols=SYMBOLS) -> list[Bar]:
    """Bars in order of time, each instant in an order of its own, some missing, some unchanged."""
    rng = np.random.default_rng(seed)
    moves = rng.normal(0.0, 0.02, (days, len(symbols))) * (rng.random((days, len(symbols))) > 0.05)
    closes = 100.0 * np.exp(np.cumsum(moves, axis=0))
    return [
        bar(symbols[n], day, float(closes[day, n]))
        for day in range(days)
        for n in rng.permutation(len(symbols))
        if rng.random() > MISSING
    ]


class Served:
    """A bar book and the context book beside it, as the scorer has them."""

    def __init__(self, context: ContextSettings = WHOLE) -> None:
        self.bars = BarBook()
        self.book = ContextBook(context, self.bars.name_of)

    def alone(self, one: Bar) -> np.ndarray:
        assert self.bars.accept(one)
        context = np.full(CONTEXT_SIZE, 7.0)
        slot = self.bars.slot_of(one.symbol, one.interval)
        self.book.take(slot, one.ts, one.close, context)
        return context

    def frame(self, bars: list[Bar]) -> np.ndarray:
        contexts = np.full((len(bars), CONTEXT_SIZE), 7.0)
        if not bars:
            return contexts
        new = self.bars.take(columns_of(pack_bars(bars)))
        assert len(new.rows) == len(bars)
        self.book.take_many(new, contexts)
        return contexts

    def reset(self, symbol: str) -> None:
        for slot in self.bars.reset(Reset(symbol, START_NS, "split")):
            self.book.clear(slot)


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    return one.tobytes() == other.tobytes()


def told(row: np.ndarray, field: str) -> float:
    return float(row[CONTEXT_FIELDS.index(field)])


MARKET = some_market()
ROWS = Served().frame(MARKET)
LAST_OF_S03 = [one for one in MARKET if one.symbol == "S03"][-1]


def assert_as_defined(bars: list, context: ContextSettings = WHOLE) -> None:
    """`bars` in the order of INPUT; a symbol's name is its reset."""
    served = Served(context)
    oracle = ContextOracle(context.market, context.sectors, breadth=context.breadth)
    for one in bars:
        if isinstance(one, str):
            served.reset(one)
            oracle.reset(one)
            continue
        found = served.alone(one)[1:]
        wanted = oracle.take(one.symbol, one.ts, one.close)
        np.testing.assert_allclose(
            found,
            [wanted[field] for field in CONTEXT_FIELDS[1:]],
            rtol=1e-9,
            atol=1e-12,
            err_msg=f"{one.symbol} at {one.ts}: {CONTEXT_FIELDS[1:]}",
        )


def test_the_context_is_what_its_definition_says():
    assert_as_defined(MARKET)
    (last,) = (row for one, row in zip(MARKET, ROWS, strict=True) if one == LAST_OF_S03)
    assert np.isfinite(last).all()


def test_what_comes_late_is_known_from_then_on():
    rng = np.random.default_rng(2)
    bars = some_market(2, 120)
    # Each symbol's bars stay in order; whole symbols are days behind the others for a while.
    behind = {symbol: rng.choice([0, 0, 3, 9]) * DAY_NS for symbol in SYMBOLS}
    late = sorted(bars, key=lambda one: one.ts + behind[one.symbol])
    assert late != bars
    assert_as_defined(late)
    # Symbol after symbol, as runs come.
    assert_as_defined(sorted(bars, key=lambda one: (one.symbol, one.ts)))
    assert_as_defined(sorted(bars, key=lambda one: one.symbol, reverse=True))


@pytest.mark.parametrize("symbol", ["S00", "S01", "S07"])
def test_a_reset_forgets_the_bars_of_a_symbol_and_what_others_noted_of_it(symbol: str):
    bars = some_market(3, 130)
    cut = len(bars) // 2
    halved = [b for b in bars[cut:] if b.symbol != symbol]
    assert_as_defined([*bars[:cut], symbol, *bars[cut:]])
    assert_as_defined([*bars[:cut], symbol, *halved])
    # The symbol is warmed up again by its own bars once more: nobody is counted twice.
    again = [one for one in bars[:cut] if one.symbol == symbol]
    assert_as_defined([*bars[:cut], symbol, *again, *bars[cut:]])


@given(
    cuts=st.lists(st.integers(0, len(MARKET)), max_size=8).map(sorted),
    alone=st.lists(st.booleans(), min_size=9, max_size=9),
)
@settings(max_examples=30, deadline=None)
def test_however_the_stream_is_cut_the_bits_are_the_same(cuts: list[int], alone: list[bool]):
    served = Served()
    edges = [0, *cuts, len(MARKET)]
    found = []
    for start, stop, is_alone in zip(edges[:-1], edges[1:], alone, strict=False):
        part = MARKET[start:stop]
        rows = [served.alone(one) for one in part] if is_alone else served.frame(part)
        found += list(rows)
    assert same_bits(np.stack(found), ROWS)


@pytest.mark.parametrize("cut", [0, 1, 13, 900, len(MARKET) - 1])
def test_a_book_goes_on_from_what_another_saved(cut: int):
    first, second = Served(), Served()
    before = first.frame(MARKET[:cut])
    second.bars.load(first.bars.save())
    second.book.load(first.book.save())
    assert same_bits(np.concatenate([before, second.frame(MARKET[cut:])]), ROWS)


def test_neither_the_order_within_an_instant_nor_its_own_bar_matters():
    ordered = sorted(MARKET, key=lambda one: (one.ts, one.symbol))
    by_name = {(one.symbol, one.ts): row for one, row in zip(MARKET, ROWS, strict=True)}
    rows = Served().frame(ordered)
    assert same_bits(rows, np.stack([by_name[one.symbol, one.ts] for one in ordered]))


def test_scale_does_not_matter_to_the_last_bit():
    scale = {symbol: 2.0 ** (number - 6) for number, symbol in enumerate(SYMBOLS)}
    scaled = [
        bar(one.symbol, (one.ts - START_NS) // DAY_NS, one.close * scale[one.symbol])
        for one in MARKET
    ]
    assert same_bits(Served().frame(scaled), ROWS)


def test_what_is_told_is_bounded_whatever_the_prices():
    prices = [1e-300, 1e15, 1e-300, 1e15, 1.0]
    bars = [bar(s, day, prices[(day + n) % 5]) for day in range(230) for n, s in enumerate(SYMBOLS)]
    rows = Served().frame(bars)
    assert np.isfinite(rows[-len(SYMBOLS) + SYMBOLS.index("S03")]).all()
    assert np.nanmax(np.abs(rows[:, 1:])) <= 1e6


def test_intervals_do_not_know_of_each_other():
    daily = some_market(4, 40)
    hourly = [Bar(b.symbol, "1h", b.ts + 1, *(b.close * 3,) * 4, 1.0) for b in some_market(5, 40)]
    together = Served()
    mixed = sorted([*daily, *hourly], key=lambda one: one.ts)
    rows = [together.alone(one) for one in mixed]
    for interval, bars in (("1d", daily), ("1h", hourly)):
        apart = Served()
        wanted = np.stack([apart.alone(one) for one in bars])
        found = [row for row, one in zip(rows, mixed, strict=True) if one.interval == interval]
        assert same_bits(np.stack(found), wanted)


def test_a_reference_whose_feed_has_ended_tells_nothing():
    served = Served(ContextSettings(market="SPY"))
    for day in range(30):
        served.alone(bar("SPY", day, 100.0 + day))
    last = START_NS + 29 * DAY_NS
    for ts, is_known in ((last + STALE_NS, True), (last + STALE_NS + 1, False)):
        row = served.alone(Bar("AAA", "1d", ts, 1.0, 1.0, 1.0, 1.0, 1.0))
        assert np.isfinite(told(row, "market_return_20")) == is_known


def test_too_few_symbols_have_no_breadth_and_an_instant_of_few_is_passed_over():
    served = Served(ContextSettings(breadth=True))
    names = SYMBOLS[:BREADTH_SYMBOLS_MIN]
    for day in range(3):
        served.frame([bar(name, day, 10.0 + day) for name in names[1:]])
    assert np.isnan(told(served.alone(bar("X", 3, 1.0)), "breadth_advancing"))
    for day in (4, 5):
        served.frame([bar(name, day, 20.0 - day) for name in names])
    for day in range(6, 11):
        row = served.alone(bar("X", day, 1.0))
        assert told(row, "breadth_advancing") == 0.0
    assert np.isnan(told(served.alone(bar("X", 11, 1.0)), "breadth_advancing"))


def test_what_lies_further_back_than_the_ring_is_not_known():
    served = Served(ContextSettings(market="SPY", breadth=True))
    days = RING_BARS + 30
    for name in ("SPY", *SYMBOLS):
        served.frame([bar(name, day, 100.0 + day % 7) for day in range(days)])
    rows = served.frame([bar("AAA", day, 100.0) for day in range(days)])
    known = np.isfinite(rows)
    first = days - RING_BARS
    for field in ("market_return_1", "breadth_advancing"):
        column = known[:, CONTEXT_FIELDS.index(field)]
        assert not column[: first + 1].any(), field
        assert column[first + 1 :].all(), field


def test_nothing_is_asked_for_by_default():
    assert ContextSettings().is_empty
    assert not ContextSettings(breadth=True).is_empty
    assert ContextSettings(sectors={"AAPL": "XLK", "MSFT": "XLK"}).references == ("XLK",)


def test_columns_that_do_not_fit_are_refused_before_any_bar_is_taken():
    served = Served()
    new = served.bars.take(columns_of(pack_bars(MARKET[:5])))
    with pytest.raises(ValueError, match="of one length"):
        served.book.take_many(new, np.empty((4, CONTEXT_SIZE)))
    contexts = np.full((5, CONTEXT_SIZE), 7.0)
    served.book.take_many(new, contexts)
    assert same_bits(contexts, ROWS[:5])
