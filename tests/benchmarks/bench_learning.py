"""What the learning loop makes of a market that changes, beside an oracle and two baselines.

    LEARNING_SEEDS=100 LEARNING_RESULTS=learning.jsonl make bench-science ARGS="-k learning"

Seeds run in two processes; with LEARNING_RESULTS each is written there as it ends, and those that
are there are not run again. LEARNING_BROKER_SEEDS of them are run once more over a NATS server.
"""

import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.benchmarks.learning_runs import MATURED, deaths, recovery, regimes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(0)]

SEEDS = int(os.environ.get("LEARNING_SEEDS", "100"))
REGIME_SEEDS = int(os.environ.get("LEARNING_REGIME_SEEDS", str(min(SEEDS, 40))))
BROKER_SEEDS = int(os.environ.get("LEARNING_BROKER_SEEDS", str(min(SEEDS, 5))))
PROCESSES = int(os.environ.get("LEARNING_PROCESSES", "2"))
JUNK_MAX = 0.20
BEHIND_MAX = {1_000: 0.15, 2_000: 0.05}

Line = dict[str, Any]


@pytest.mark.parametrize("bayes_auc", [0.62, 0.70])
def test_after_a_flip_the_edge_comes_back_nearly_as_fast_as_an_oracle_brings_it(
    bayes_auc: float, tmp_path: Path
):
    lines = every_seed("recovery", {"bayes_auc": bayes_auc}, SEEDS, tmp_path)
    ours = np.array([line["ours"] for line in lines])
    oracle = np.array([line["oracle"] for line in lines])
    delays = np.array([np.inf if line["delay"] is None else line["delay"] for line in lines])
    errors = np.array([line["changepoint_error"] or 0 for line in lines])
    print(f"\nFLIP, Bayes AUC {bayes_auc:.2f}, {len(lines)} seeds: % of the edge that acts")
    print("  outcomes after it " + "".join(f"{known:>14,}" for known in MATURED))
    for name, values in (("ours", ours), ("oracle", oracle), ("behind", oracle - ours)):
        print(f"  {name:<18}" + "".join(f"{mean_of(v):>14}" for v in values.T))
    low, middle, high = np.percentile(errors, (10, 50, 90))
    early = sum(line["false_alarms"] for line in lines)
    print(f"  alarm after {np.median(delays):.0f} outcomes (median), {early} alarms before it;")
    print(f"  changepoint off by {middle:+.0f} outcomes ({low:+.0f} to {high:+.0f})")
    for place, known in enumerate(MATURED):
        if known in BEHIND_MAX:
            assert (oracle - ours)[:, place].mean() <= BEHIND_MAX[known], known


def test_over_a_broker_every_seed_is_the_same(tmp_path: Path):
    lines = every_seed("recovery", {"bayes_auc": 0.62}, BROKER_SEEDS, tmp_path)
    for line in lines:
        found = recovery(line["seed"], 0.62, tmp_path / "nats", is_over_nats=True)
        assert found.items() <= line.items()
    print(f"\n{len(lines)} seeds over a broker: the same alarms, models and shares")


def test_where_all_skill_has_died_hardly_any_model_comes_into_force(tmp_path: Path):
    lines = every_seed("deaths", {"bayes_auc": 0.62}, REGIME_SEEDS, tmp_path)
    found = [line for line in lines if line["delay"] is not None]
    share = sum(line["models"] > 0 for line in found) / len(found)
    delay = np.median([line["delay"] for line in found])
    print(f"\nDEAD, {len(lines)} seeds, {len(found)} alarms, after {delay:.0f} outcomes (median):")
    print(f"  in {100 * share:.0f} % a model that knows nothing came into force within")
    print(f"  {MATURED[-1]:,} outcomes of the death")
    assert share <= JUNK_MAX


@pytest.mark.parametrize("drift", ["RECURRING", "GRADUAL"])
@pytest.mark.parametrize("bayes_auc", [0.62, 0.70])
def test_who_relearns_earns_more_than_who_never_does_and_who_always_does(
    drift: str, bayes_auc: float, tmp_path: Path
):
    cell = {"drift": drift, "bayes_auc": bayes_auc}
    lines = every_seed("regimes", cell, REGIME_SEEDS, tmp_path)
    names = ("ours", "never", "always", "nobody", "oracle")
    utility = {name: 1000 * np.array([line[name] for line in lines]) for name in names}
    print(f"\n{drift}, Bayes AUC {bayes_auc:.2f}, {len(lines)} seeds: R per 1,000 signals")
    for name in names:
        ahead = utility["ours"] - utility[name]
        own = mean_of(utility[name] / 100)
        print(f"  {name:<8}{own:>14}   ours is ahead by {mean_of(ahead / 100)}")
    for name in ("never", "always"):
        assert utility["ours"].mean() > utility[name].mean(), name


def every_seed(kind: str, cell: Line, seeds: int, folder: Path) -> list[Line]:
    """One line for each seed, in order: read where it is already there, else run."""
    results = Path(os.environ.get("LEARNING_RESULTS", folder / "results.jsonl"))
    wanted = cell | {"kind": kind}
    text = results.read_text() if results.is_file() else ""
    lines = [json.loads(line) for line in text.splitlines()]
    found = {line["seed"]: line for line in lines if wanted.items() <= line.items()}
    # Spawned: a fork would inherit the threads of libraries that are loaded here.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool, results.open("a") as file:
        missing = [seed for seed in range(seeds) if seed not in found]
        tasks = [pool.submit(run, kind, cell, seed, folder) for seed in missing]
        for task in as_completed(tasks):
            line = task.result()
            found[line["seed"]] = line
            file.write(json.dumps(line) + "\n")
            file.flush()
    return [found[seed] for seed in range(seeds)]


def run(kind: str, cell: Line, seed: int, folder: Path) -> Line:
    """One seed in a process of its own."""
    body = {"recovery": recovery, "regimes": regimes, "deaths": deaths}[kind]
    return cell | {"kind": kind, "seed": seed} | body(seed, folder=folder, **cell)


def mean_of(values: np.ndarray) -> str:
    """A mean and its standard error, in hundredths."""
    error = 100 * values.std(ddof=1) / values.size**0.5 if values.size > 1 else np.inf
    return f"{100 * values.mean():.1f} ± {error:.1f}"
