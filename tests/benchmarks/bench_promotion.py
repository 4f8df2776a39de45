"""How often the gate promotes challengers that are better, equal and worse, on 1,000 outcomes.

    PROMOTION_MARKETS=48 PROMOTION_RUNS=800 make bench-science ARGS="-k promotion"

Beside it the plain rules on the same windows. Pairs of one market share samples, as a champion
and its challengers do; those of two markets share nothing, and are harder to tell apart.
Then first models: on markets with skill, and on noise.
"""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

import pytest

from tests.benchmarks.first_models import first_models
from tests.benchmarks.promotion import (
    GAPS,
    GATES,
    PLAIN,
    Known,
    Rates,
    pairs_of,
    rates_of,
    train_market,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(0)]

MARKETS = int(os.environ.get("PROMOTION_MARKETS", "48"))
RUNS = int(os.environ.get("PROMOTION_RUNS", "800"))
RUNS_MIN = 400
OUTCOMES = 1_000
PROCESSES = 2

BETTER_MIN, EQUAL_MAX, WORSE_MAX = 0.55, 0.12, 0.03
FIRST_RUNS = int(os.environ.get("PROMOTION_FIRST_RUNS", "200"))
FIRST_COUNTS = (700, 2_000)
SKILL_MIN, NOISE_MAX = 0.80, 0.05


@pytest.fixture(scope="module")
def models() -> list[Known]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        return [known for market in pool.map(train_market, range(MARKETS)) for known in market]


def test_of_one_market_the_gate_promotes_what_is_better(models: list[Known]):
    found = rates(models, same_market=True)
    show("champion and challenger of one market", found)
    for gate in GATES:
        assert found["better"].share[gate] >= BETTER_MIN
        assert found["equal"].share[gate] <= EQUAL_MAX
        assert found["worse"].share[gate] <= WORSE_MAX
    assert min(f.runs for f in found.values()) >= RUNS_MIN


def test_of_two_markets_the_gate_lets_no_more_through(models: list[Known]):
    found = rates(models, same_market=False)
    show("champion and challenger of two markets", found)
    for gate in GATES:
        assert found["equal"].share[gate] <= EQUAL_MAX
        assert found["worse"].share[gate] <= WORSE_MAX


def test_a_first_model_comes_of_skill_and_hardly_of_noise():
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        tasks = {
            (count, bayes_auc): pool.submit(first_models, range(FIRST_RUNS), count, bayes_auc)
            for count in FIRST_COUNTS
            for bayes_auc in (None, 0.62)
        }
        found = {cell: sum(task.result()) / FIRST_RUNS for cell, task in tasks.items()}
    print(f"\nfirst models, {FIRST_RUNS} runs: share promoted")
    for (count, bayes_auc), share in found.items():
        error = (share * (1.0 - share) / FIRST_RUNS) ** 0.5
        market = f"Bayes AUC {bayes_auc:.2f}" if bayes_auc else "noise"
        print(f"  {count:>6,} outcomes, {market:<14} {share:.3f} ± {error:.3f}")
    assert max(found[count, None] for count in FIRST_COUNTS) <= NOISE_MAX
    assert found[2_000, 0.62] >= SKILL_MIN


def rates(models: list[Known], *, same_market: bool) -> dict[str, Rates]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        tasks = {
            name: pool.submit(
                rates_of, pairs_of(models, gap, same_market=same_market), RUNS, OUTCOMES
            )
            for name, gap in GAPS.items()
        }
        return {name: task.result() for name, task in tasks.items()}


def show(title: str, found: dict[str, Rates]) -> None:
    print(f"\n{title}, {OUTCOMES:,} outcomes, {RUNS} runs: share promoted")
    heads = (f"{name} ({r.mean_gap:+.3f}, {r.pairs} pairs)" for name, r in found.items())
    print(" " * 18 + "".join(f"{head:>28}" for head in heads))
    for rule in (*GATES, *PLAIN):
        cells = (f"{r.share[rule]:.3f} ± {r.error[rule]:.3f}" for r in found.values())
        print(f"  {rule:<16}" + "".join(f"{cell:>28}" for cell in cells))
