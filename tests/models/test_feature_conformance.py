"""Every feature family, found by its file, keeps the laws of a feature."""

import doctest
import hashlib
import importlib
import pkgutil
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core.runtime import _nrt_python, rtsys

from models import features
from models.context import CONTEXT_SIZE
from models.feature_history import WINDOWS_SIZE, observe
from models.feature_set import VALUE_MAX, families, feature_names, load_feature_set
from models.history import HISTORY_SIZE, push
from tests.models.bars import Bars, among_others, flat, market, with_time

FAMILIES = families()
FEATURES = load_feature_set()
NAMES = FEATURES.names
COUNT = 420
MARKET = market(7, COUNT)
WHOLE = FEATURES.compute(*MARKET)

GOLDEN = Path(__file__).with_name("feature_names.txt")
GOLDEN_DIGEST = "a92c3208d1a5fa8c059e1309671316fdeda6c576efe7a32638dffa70beac4e2c"


def bits(values: np.ndarray) -> np.ndarray:
    """NaN equals NaN, 0.0 does not equal -0.0."""
    return np.ascontiguousarray(values).view(np.uint32)


def assert_same_bits(found: np.ndarray, wanted: np.ndarray) -> None:
    different = (bits(found) != bits(wanted)).any(axis=0)
    assert not different.any(), f"{np.array(NAMES)[different]} differ"


def name_of(family: ModuleType) -> str:
    return family.__name__.rpartition(".")[2]


def columns_of(family: ModuleType) -> list[int]:
    return [NAMES.index(feature.name) for feature in family.FEATURES]


def update_live(states: np.ndarray, slot: int, bars: Bars, out: np.ndarray) -> None:
    for i in range(len(bars.ts)):
        values = [float(value) for value in bars.values[i]]
        FEATURES.update(states, slot, int(bars.ts[i]), *values, bars.contexts[i], out[i])


def update_batch(states: np.ndarray, slot: int, bars: Bars, out: np.ndarray) -> None:
    slots = np.full(len(bars.ts), slot, dtype=np.int64)
    FEATURES.update_many(states, slots, bars.ts, bars.values, bars.contexts, out)


def test_every_file_is_a_family_and_there_are_enough_features():
    files = {found.name for found in pkgutil.iter_modules(features.__path__)}
    assert [name_of(family) for family in FAMILIES] == sorted(files)
    assert len(NAMES) >= 64


def test_names_are_unique_words():
    assert len(set(NAMES)) == len(NAMES)
    assert feature_names() == NAMES
    assert [name for name in NAMES if not re.fullmatch(r"[a-z][a-z0-9_]*", name)] == []


def test_the_served_order_is_pinned():
    assert list(NAMES) == GOLDEN.read_text().split(), "a model would see other features"
    assert FEATURES.digest == GOLDEN_DIGEST
    assert hashlib.sha256("\n".join(NAMES).encode()).hexdigest() == GOLDEN_DIGEST


@pytest.mark.parametrize("family", FAMILIES, ids=name_of)
def test_a_family_says_what_it_is(family: ModuleType):
    text = family.__doc__ or ""
    for part in ("Input: ", "Output: ", "Warm-up: ", "NaN: ", "Source: "):
        assert part in " ".join(text.split()), f"{name_of(family)} does not say its {part}"
    for feature in family.FEATURES:
        assert 1 <= feature.warm_up <= feature.convergence


@pytest.mark.parametrize(
    "name", ["feature", "vector", *(f"features.{name_of(family)}" for family in FAMILIES)]
)
def test_examples_run(name: str):
    assert doctest.testmod(importlib.import_module(f"models.{name}")).failed == 0


@given(
    cuts=st.lists(st.integers(0, COUNT), max_size=6).map(sorted),
    live=st.lists(st.booleans(), min_size=7, max_size=7),
)
@settings(max_examples=40)
def test_however_history_is_cut_the_bits_are_the_same(cuts: list[int], live: list[bool]):
    states = FEATURES.new_states(1)
    out = np.empty_like(WHOLE)
    edges = [0, *cuts, COUNT]
    for start, stop, alone in zip(edges[:-1], edges[1:], live, strict=False):
        advance = update_live if alone else update_batch
        advance(states, 0, MARKET.part(start, stop), out[start:stop])
    assert_same_bits(out, WHOLE)


@given(st.randoms(use_true_random=False))
@settings(max_examples=20)
def test_symbols_do_not_touch_each_other(random):
    count = 90
    symbols = [market(seed, count) for seed in (1, 2, 3)]
    slots = [slot for slot in range(3) for _ in range(count)]
    random.shuffle(slots)
    turns = np.array(slots, dtype=np.int64)
    rows = np.zeros(len(turns), dtype=np.int64)
    for slot in range(3):
        rows[turns == slot] = np.arange(count)
    merged = [
        np.stack(
            [getattr(symbols[slot], field)[row] for slot, row in zip(turns, rows, strict=True)]
        )
        for field in Bars._fields
    ]
    out = np.empty((len(turns), len(NAMES)), dtype=np.float32)
    FEATURES.update_many(FEATURES.new_states(3), turns, *merged, out)
    for slot, bars in enumerate(symbols):
        assert_same_bits(out[turns == slot], FEATURES.compute(*bars))


@pytest.mark.parametrize("cut", [1, 2, 21, 61, 253, 300])
def test_the_future_changes_nothing(cut: int):
    assert_same_bits(FEATURES.compute(*MARKET.part(0, cut)), WHOLE[:cut])
    wild = MARKET.values.copy()
    wild[cut:] *= 1e6
    assert_same_bits(FEATURES.compute(MARKET.ts, wild, MARKET.contexts)[:cut], WHOLE[:cut])


@pytest.mark.parametrize(
    ("price", "volume"), [(2.0, 0.5), (2.0**-30, 2.0**20), (2.0**30, 2.0**-20)]
)
def test_scale_does_not_matter_to_the_last_bit(price: float, volume: float):
    scaled = MARKET.values * [price, price, price, price, volume]
    assert_same_bits(FEATURES.compute(MARKET.ts, scaled, MARKET.contexts), WHOLE)


@pytest.mark.parametrize("family", FAMILIES, ids=name_of)
def test_warm_up_is_exact(family: ModuleType):
    for bars in (MARKET, flat(COUNT), flat(COUNT, volume=3.0)):
        values = FEATURES.compute(*bars)
        for feature, column in zip(family.FEATURES, columns_of(family), strict=True):
            known = np.isfinite(values[:, column])
            assert not known[: feature.warm_up - 1].any(), f"{feature.name} comes too early"
            assert known[feature.warm_up - 1 :].all(), f"{feature.name} is not there after warm-up"


@pytest.mark.parametrize("family", FAMILIES, ids=name_of)
def test_the_start_of_history_is_forgotten(family: ModuleType):
    # A history before the start whose prices are elsewhere altogether.
    strange = market(8, 150, volatility=0.1).values * [3.0, 3.0, 3.0, 3.0, 1.0]
    bars = market(9, 900)
    short = FEATURES.compute(*bars)
    long = FEATURES.compute(*among_others(with_time(np.concatenate([strange, bars.values]))))[150:]
    for feature, column in zip(family.FEATURES, columns_of(family), strict=True):
        if name_of(family) == "calendar":
            continue  # another start is another date
        one, other = short[:, column], long[:, column]
        if feature.convergence == feature.warm_up:
            first = feature.warm_up - 1
            assert (bits(one[first:]) == bits(other[first:])).all(), feature.name
        else:
            assert one[feature.warm_up] != other[feature.warm_up], f"{feature.name} is a window"
            first = feature.convergence - 1
            scale = np.maximum(np.abs(other[first:]), np.std(other[first:]))
            assert (np.abs(one[first:] - other[first:]) <= 1e-5 * scale).all(), feature.name


@pytest.mark.parametrize("name", ["cross_asset", "breadth"])
def test_what_is_not_known_of_others_is_not_said(name: str):
    """And not felt: a gap in the context leaves no trace once it has left the windows."""
    (family,) = (each for each in FAMILIES if name_of(each) == name)
    gap = MARKET.contexts.copy()
    gap[100:110, 1:] = np.nan
    values = FEATURES.compute(MARKET.ts, MARKET.values, gap)
    own = columns_of(family)
    assert np.isnan(values[100:110][:, own]).all()
    for feature, column in zip(family.FEATURES, own, strict=True):
        after = 110 + (59 if feature.name in ("market_beta_60", "market_correlation_60") else 0)
        assert np.isnan(values[110:after, column]).all(), feature.name
        assert (bits(values[after:, column]) == bits(WHOLE[after:, column])).all(), feature.name
    nothing = np.full_like(gap, np.nan)
    nothing[:, 0] = gap[:, 0]
    assert np.isnan(FEATURES.compute(MARKET.ts, MARKET.values, nothing)[:, own]).all()


def test_convergence_fits_a_test():
    assert FEATURES.convergence.max() < 900, "the test above would look at nothing"


PRICES = st.one_of(
    st.floats(1e-300, 1e15), st.floats(0.01, 1e4), st.sampled_from([1e-300, 1e-9, 1.0, 1e15])
)
VOLUMES = st.one_of(st.floats(0.0, 1e18), st.sampled_from([0.0, 1.0, 1e18]))


@given(
    seen=st.sampled_from([0, 1, 19, 300]),
    rows=st.lists(st.tuples(PRICES, PRICES, PRICES, PRICES, VOLUMES), min_size=1, max_size=90),
    repeats=st.integers(1, 40),
)
@settings(max_examples=150)
def test_any_valid_bar_gives_finite_values(seen: int, rows: list, repeats: int):
    wild = np.repeat(np.array(rows), repeats, axis=0)[:500]
    prices = wild[:, :4].copy()
    wild[:, 1], wild[:, 2] = prices.max(axis=1), prices.min(axis=1)
    bars = among_others(with_time(np.concatenate([MARKET.values[:seen], wild])))
    values = FEATURES.compute(*bars)
    numbers = np.arange(1, len(values) + 1)[:, None]
    astray = (np.isfinite(values) != (numbers >= FEATURES.warm_up)).any(axis=0)
    assert not astray.any(), np.array(NAMES)[astray]
    assert np.nanmax(np.abs(values)) <= VALUE_MAX


@pytest.mark.parametrize("family", FAMILIES, ids=name_of)
def test_a_wild_bar_leaves_no_trace(family: ModuleType):
    """Windows forget exactly: a price of 1e15 is not felt once it has left."""
    wild = MARKET.values.copy()
    wild[20] = [1e15, 1e15, 1e15, 1e15, 1e18]
    values = FEATURES.compute(MARKET.ts, wild, MARKET.contexts)
    for feature, column in zip(family.FEATURES, columns_of(family), strict=True):
        if feature.convergence == feature.warm_up:
            later = 21 + feature.convergence
            assert (bits(values[later:, column]) == bits(WHOLE[later:, column])).all(), feature.name


def test_interpreted_families_agree_with_the_compiled_ones():
    """Also: each stays within its own state and output, which compiled code does not check."""
    count = 130
    bars = MARKET.part(0, count)
    state = np.zeros(HISTORY_SIZE + WINDOWS_SIZE)
    own = [np.zeros(family.STATE_SIZE) for family in FAMILIES]
    outs = [np.empty(len(family.FEATURES)) for family in FAMILIES]
    found = np.empty((count, len(NAMES)))
    with np.errstate(all="ignore"):
        for i in range(count):
            pushed = push(state[:HISTORY_SIZE], int(bars.ts[i]), *bars.values[i])
            history = observe(state[HISTORY_SIZE:], pushed)
            for family, memory, out in zip(FAMILIES, own, outs, strict=True):
                family.step(memory, history, bars.contexts[i], out)
            found[i] = np.concatenate(outs)
    np.testing.assert_allclose(found.astype(np.float32), WHOLE[:count], rtol=1e-6, atol=1e-9)


def test_an_update_allocates_nothing_beyond_its_arguments():
    states, out = FEATURES.new_states(1), np.empty(len(NAMES), dtype=np.float32)
    context = np.zeros(CONTEXT_SIZE)
    arguments = (states, 0, 1, 1.0, 2.0, 0.5, 1.5, 10.0, context, out)
    FEATURES.update(*arguments)
    _nrt_python.memsys_enable_stats()
    try:
        before = rtsys.get_allocation_stats()
        for _ in range(100):
            FEATURES.update(*arguments)
        after = rtsys.get_allocation_stats()
    finally:
        _nrt_python.memsys_disable_stats()
    # Numba notes the owner of each array it is handed: states, context, out.
    assert after.alloc - before.alloc <= 3 * 100
    assert after.free - before.free == after.alloc - before.alloc


def test_what_does_not_fit_is_refused():
    states, out = FEATURES.new_states(2), np.empty(len(NAMES), dtype=np.float32)
    bar = (1, 1.0, 2.0, 0.5, 1.5, 10.0, np.zeros(CONTEXT_SIZE))
    for slot in (-1, 2):
        with pytest.raises(IndexError, match="slot, context or out does not fit"):
            FEATURES.update(states, slot, *bar, out)
    with pytest.raises(IndexError, match="slot, context or out does not fit"):
        FEATURES.update(states, 0, *bar, out[:-1])
    with pytest.raises(IndexError, match="slot, context or out does not fit"):
        FEATURES.update(states, 0, *bar[:-1], np.zeros(CONTEXT_SIZE - 1), out)
    with pytest.raises(ValueError, match="must have the shapes"):
        FEATURES.compute(MARKET.ts, MARKET.values[:-1], MARKET.contexts)
    assert not states.any()
