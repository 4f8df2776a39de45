"""Blocks of the same law are left alone, however their rows run; blocks of another are found."""

import numpy as np
import pytest
from scipy import stats

from engine.drift.block_comparison import BlockReference

TESTS = ("psi", "ks")
REFERENCE, BLOCK, BATCH = 500, 250, 25


def normal(seed: int, rows: int, columns: int = 40) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)


def running(seed: int, rows: int, columns: int, memory: float) -> np.ndarray:
    """Columns that keep `memory` of themselves from row to row, each of variance 1."""
    rng = np.random.default_rng(seed)
    shocks = rng.standard_normal((rows, columns)) * np.sqrt(1.0 - memory**2)
    shocks[0] /= np.sqrt(1.0 - memory**2)
    for row in range(1, rows):
        shocks[row] += memory * shocks[row - 1]
    return shocks.astype(np.float32)


def compare(rows: np.ndarray, block: np.ndarray):
    return BlockReference(rows, BATCH).compare(block, TESTS)


def beyond(rows: np.ndarray, alpha: float) -> dict[str, float]:
    """The share of (block, column) with a tail below alpha, the first rows being the reference."""
    reference = BlockReference(rows[:REFERENCE], BATCH)
    found = [
        reference.compare(rows[at : at + BLOCK], TESTS)
        for at in range(REFERENCE, len(rows) - BLOCK + 1, BLOCK)
    ]
    return {test: float(np.mean([one[test].tail < alpha for one in found])) for test in TESTS}


def test_the_distance_is_scipys():
    own, new = normal(1, 300, 5), normal(2, 200, 5)
    own[:, 3] = own[:, 3].round(0)
    new[:, 3] = new[:, 3].round(0)
    own[:40, 4] = np.nan
    new[150:, 4] = np.nan
    found = compare(own, new)["ks"].statistic
    for column in range(5):
        a, b = own[:, column], new[:, column]
        expected = stats.ks_2samp(a[~np.isnan(a)], b[~np.isnan(b)]).statistic
        assert found[column] == pytest.approx(expected, abs=1e-12)


def test_the_index_of_independent_rows_is_about_what_theory_says():
    found = [compare(normal(s, REFERENCE), normal(900 + s, BLOCK))["psi"] for s in range(10)]
    mean = np.mean([one.statistic.mean() for one in found])
    assert mean == pytest.approx(9.0 * (1 / REFERENCE + 1 / BLOCK), rel=0.15)


def test_independent_rows_keep_the_level():
    for seed in range(3):
        found = beyond(normal(seed, REFERENCE + 8 * BLOCK), 0.01)
        assert max(found.values()) <= 0.01


@pytest.mark.parametrize("memory", [0.8, 0.95, 0.99, 0.999])
def test_rows_that_run_keep_the_level_too(memory: float):
    found = [beyond(running(s, REFERENCE + 4 * BLOCK, 40, memory), 1e-3) for s in range(3)]
    for test in TESTS:
        assert np.mean([one[test] for one in found]) <= 0.01
    # Independent rows would have to be: by the textbook most of these blocks have moved.
    rows = running(1, REFERENCE + BLOCK, 40, memory)
    plain = [stats.ks_2samp(a, b).pvalue for a, b in zip(rows[:500].T, rows[500:].T, strict=True)]
    assert np.mean(np.array(plain) < 1e-3) > 0.1


@pytest.mark.parametrize(
    "moved",
    [
        lambda block: block + np.float32(0.8),
        lambda block: block * np.float32(2.0),
        lambda block: block.clip(-0.6, 0.6),
    ],
    ids=["shift", "scale", "middle"],
)
def test_a_moved_column_is_found_and_the_others_are_not(moved):
    rows, block = normal(5, REFERENCE), normal(6, BLOCK)
    block[:, 7] = moved(block[:, 7])
    for compared in compare(rows, block).values():
        assert compared.tail.argmin() == 7
    assert compare(rows, block)["psi"].tail[7] < 1e-5


def test_flags_are_compared_and_only_what_changes_is_found():
    shares = np.array([0.3, 0.3, 0.02, 0.02, 0.0, 0.0])
    moved = np.array([0.0, 0.4, 0.0, 0.4, 0.0, 0.4])
    tails: dict[str, list[np.ndarray]] = {test: [] for test in TESTS}
    for seed in range(9):
        rng = np.random.default_rng(seed)
        rows = (rng.random((REFERENCE, 6)) < shares).astype(np.float32)
        block = (rng.random((BLOCK, 6)) < shares + moved).astype(np.float32)
        for test, compared in compare(rows, block).items():
            tails[test].append(compared.tail)
    for test in TESTS:
        assert (np.min(tails[test], axis=0)[[0, 2, 4]] > 1e-3).all()
        assert (np.median(tails[test], axis=0)[[1, 3, 5]] < 1e-5).all()


def test_a_column_that_stands_still_is_not_told_until_it_moves():
    rows = np.ones((REFERENCE, 2), dtype=np.float32)
    block = np.ones((BLOCK, 2), dtype=np.float32)
    block[::2, 1] = 0.5
    for compared in compare(rows, block).values():
        assert compared.tail[0] == 1.0
    assert compare(rows, block)["ks"].tail[1] < 1e-5


def test_missing_values_say_nothing():
    rows, block = normal(9, REFERENCE), normal(10, BLOCK)
    rows[:, 0] = np.nan  # warming while the reference was taken
    block[:, 1] = np.nan  # gone since
    rows[:200, 2] = np.nan
    block[::3, 3] = np.nan
    rows[:, 4], block[:, 4] = np.nan, np.nan
    for compared in (
        *compare(rows, block).values(),
        BlockReference(rows, BATCH).compare_means(block),
    ):
        assert (compared.tail[[0, 1, 4]] == 1.0).all()
        assert (compared.tail > 1e-3).all()
        assert np.isfinite(compared.statistic).all()


def test_infinite_values_are_values_like_others():
    rows, block = normal(11, REFERENCE, 2), normal(12, BLOCK, 2)
    rows[::50, 0] = np.inf
    block[::2, 1] = -np.inf
    found = compare(rows, block)
    assert found["psi"].tail[0] > 1e-3
    assert found["psi"].tail[1] < 1e-5
    assert found["ks"].tail[1] < 1e-5


def test_the_critical_value_is_where_the_tail_is():
    rows, block = normal(13, REFERENCE), normal(14, BLOCK)
    block[:, 3] += np.float32(0.4)
    own = BlockReference(rows, BATCH)
    for compared in (*own.compare(block, TESTS).values(), own.compare_means(block)):
        alpha = float(compared.tail[3])
        assert compared.critical(3, alpha) == pytest.approx(abs(compared.statistic[3]), rel=1e-6)
        assert compared.critical(3, alpha / 2) > abs(compared.statistic[3])


def test_means_keep_the_level_and_their_sign():
    rows = running(15, REFERENCE + 20 * BLOCK, 40, 0.9)
    own = BlockReference(rows[:REFERENCE], BATCH)
    blocks = rows[REFERENCE:].reshape(20, BLOCK, 40)
    assert np.mean([own.compare_means(block).tail < 0.01 for block in blocks]) <= 0.015
    block = normal(16, BLOCK) - np.float32(1.0)
    found = BlockReference(normal(17, REFERENCE), BATCH).compare_means(block)
    assert (found.statistic < -0.7).all()
    assert (found.tail < 1e-5).all()
