"""Why what was served is not what the bars say now: the patterns that leave a trace in time.

Signals of a symbol in a row whose values differ are one stretch. What kind it is shows in where it
lies and in which values differ:

    warm_up        before the first equal signal: the histories begin at different bars, and
                   recursive values have not forgotten it yet
    other_symbols  values told of other symbols alone: their bars came too late for the signal or
                   were revised, or the context is configured otherwise
    revised_bar    a value that the signal's own bar alone decides: it was revised since
    changed_bar    values over several bars alone: one of these was revised since, or came too
                   late to be served
    throughout     no signal of the symbol is equal: other prices (adjusted since), another
                   session, other parameters or other code

Of the last bars before a signal no vector tells which one it was, and whether it was another then
or not there yet: the dead letters of the scorer do.
"""

from datetime import UTC, datetime
from functools import cache
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.feature_set import families
from models.features import breadth, calendar, cross_asset

SYMBOLS_NAMED_MAX = 5

Kind = Literal["warm_up", "other_symbols", "revised_bar", "changed_bar", "throughout"]
WORDS: dict[Kind, str] = {
    "warm_up": "the first signals alone: the histories begin at different bars, or an early bar "
    "differs",
    "other_symbols": "values told of other symbols alone: their bars came too late or were revised "
    "since, or the context is another",
    "revised_bar": "a value of the signal's own bar alone: that bar was revised since",
    "changed_bar": "values over several bars: one of these was revised since, or came too late to "
    "be served",
    "throughout": "every signal: prices adjusted since, another session, other parameters or other "
    "code",
}
KINDS = tuple(WORDS)

Bools = NDArray[np.bool_]


class Cause(msgspec.Struct, frozen=True):
    """Signals that differ in one way: how many, of which symbols, and between which instants.

    Times are the signals' own, UTC nanoseconds. `words` says it to a person.
    """

    kind: Kind
    signals: int
    symbols: tuple[str, ...]
    first_ts: int
    last_ts: int
    words: str


class Marks(NamedTuple):
    """What differs in each of n signals: masks bool[n].

    `is_astray`: anything at all; `is_others`: only values told of other symbols; `is_own_bar`:
    also a value that the signal's own bar alone decides.
    """

    is_astray: Bools
    is_others: Bools
    is_own_bar: Bools


@cache
def own_bar_features() -> frozenset[str]:
    """Return the features that a signal's own bar decides, whatever was before it."""
    dates = {feature.name for feature in calendar.FEATURES}
    alone = {one.name for family in families() for one in family.FEATURES if one.warm_up == 1}
    return frozenset(alone - dates)


@cache
def others_features() -> frozenset[str]:
    """Return the features that are told of other symbols."""
    return frozenset(one.name for family in (breadth, cross_asset) for one in family.FEATURES)


def causes_of(symbols: NDArray[np.str_], ts: NDArray[np.int64], marks: Marks) -> tuple[Cause, ...]:
    """Return the causes found among n signals, in any order of rows."""
    order = np.lexsort((ts, symbols))
    symbols, ts = symbols[order], ts[order]
    kinds = _kinds(symbols, Marks._make(mark[order] for mark in marks))
    found = []
    for number, kind in enumerate(KINDS):
        rows = np.flatnonzero(kinds == number)
        if rows.size:
            found.append(_cause(kind, symbols[rows], ts[rows]))
    return tuple(found)


def _kinds(symbols: NDArray[np.str_], marks: Marks) -> NDArray[np.int64]:
    """Return the number of each row's kind, -1 where nothing differs; rows by (symbol, ts)."""
    count = symbols.size
    is_first = np.ones(count, dtype=np.bool_)
    is_first[1:] = symbols[1:] != symbols[:-1]
    symbol_of = np.cumsum(is_first) - 1
    begins = is_first.copy()
    begins[1:] |= marks.is_astray[1:] != marks.is_astray[:-1]
    stretch_of = np.cumsum(begins) - 1
    has_own_bar = np.bincount(stretch_of, weights=marks.is_own_bar) > 0
    is_all_others = np.bincount(stretch_of, weights=~marks.is_others) == 0
    equal = np.bincount(symbol_of, weights=~marks.is_astray)[symbol_of]
    is_leading = is_first[begins][stretch_of]
    kinds = np.select(
        [
            ~marks.is_astray,
            is_all_others[stretch_of],
            equal == 0,
            is_leading,
            has_own_bar[stretch_of],
        ],
        [-1, *map(KINDS.index, ("other_symbols", "throughout", "warm_up", "revised_bar"))],
        KINDS.index("changed_bar"),
    )
    return kinds


def _cause(kind: Kind, symbols: NDArray[np.str_], ts: NDArray[np.int64]) -> Cause:
    names = tuple(np.unique(symbols).tolist())
    first_ts, last_ts = int(ts.min()), int(ts.max())
    more = f" and {len(names) - SYMBOLS_NAMED_MAX} more" if len(names) > SYMBOLS_NAMED_MAX else ""
    plural = "" if ts.size == 1 else "s"
    span = day_of(first_ts) if ts.size == 1 else f"{day_of(first_ts)} to {day_of(last_ts)}"
    words = (
        f"{ts.size} signal{plural} of {', '.join(names[:SYMBOLS_NAMED_MAX])}{more} ({span}): "
        f"{WORDS[kind]}"
    )
    return Cause(kind, int(ts.size), names, first_ts, last_ts, words)


def day_of(ts: int) -> str:
    """Return the UTC day of an instant.

    >>> day_of(1_577_912_400_000_000_000)
    '2020-01-01'
    """
    return f"{datetime.fromtimestamp(ts / 1e9, UTC):%Y-%m-%d}"
