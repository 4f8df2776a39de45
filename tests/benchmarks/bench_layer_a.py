"""The share of the learnable edge that the tuned pipeline keeps on Layer A; the null on noise.

    LAYER_A_SEEDS=100 LAYER_A_RESULTS=shares.jsonl make bench-science ARGS="-k layer_a"

Seeds run in two processes. With LAYER_A_RESULTS each one is written there as it ends, and those
that are there are not run again; LAYER_A_TRIALS searches each tuned learner in so many trials.
With fewer than 100 seeds a target counts as missed where the mean is below it by two errors.
"""

import json
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from tests.benchmarks.layer_a_share import HOUSE, PLAIN, is_deployed_on_noise, shares
from trainers.pipeline.pipeline_settings import PipelineSettings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(0)]

SEEDS = int(os.environ.get("LAYER_A_SEEDS", "100"))
SEEDS_ALL = 100
PROCESSES = 2
TRIALS = int(os.environ.get("LAYER_A_TRIALS", str(PipelineSettings().trials)))
SETTINGS = PipelineSettings(spans="share", trials=TRIALS, workers=1)

TARGETS = {
    (0.62, 500): 0.45,
    (0.62, 2_000): 0.70,
    (0.62, 10_000): 0.82,
    (0.70, 500): 0.63,
    (0.70, 2_000): 0.80,
    (0.70, 10_000): 0.88,
}
BEHIND_MAX = 0.02
NULL_WINS_SHARE = 0.95

Line = dict[str, Any]


@pytest.mark.parametrize(("bayes_auc", "count"), TARGETS)
def test_the_pipeline_keeps_its_share_of_layer_a(bayes_auc: float, count: int, tmp_path: Path):
    cell = {"bayes_auc": bayes_auc, "count": count, "settings": digest()}
    lines = list(every_seed(cell, tmp_path))
    columns = {name: np.array([line[name] for line in lines]) for name in lines[0]["names"]}
    print(f"\nBayes AUC {bayes_auc:.2f}, n = {count:,}, {len(lines)} seeds: % of the edge")
    for name, values in columns.items():
        behind = columns[HOUSE] - values
        print(
            f"  {name:<18}{100 * values.mean():6.1f} ± {error(values):.1f}"
            + ("" if name == HOUSE else f"   house is ahead by {gap(behind)}")
        )
    house = columns[HOUSE]
    assert house.mean() + allowance(house) >= TARGETS[bayes_auc, count]
    for name in PLAIN:
        ahead = house - columns[name]
        assert ahead.mean() + allowance(ahead) >= -BEHIND_MAX, name


def test_the_null_model_wins_on_noise(tmp_path: Path):
    cell = {"noise": True, "settings": digest()}
    deployed = [line["seed"] for line in every_seed(cell, tmp_path) if line["deployed"]]
    print(f"\nnoise: the null model wins in {SEEDS - len(deployed)} of {SEEDS}, not in {deployed}")
    assert SEEDS - len(deployed) >= NULL_WINS_SHARE * SEEDS


def every_seed(cell: Line, folder: Path) -> Iterator[Line]:
    """One line for each seed, in order: read where it is already there, else run."""
    results = Path(os.environ.get("LAYER_A_RESULTS", folder / "results.jsonl"))
    found = {line["seed"]: line for line in written(results) if cell.items() <= line.items()}
    missing = [seed for seed in range(SEEDS) if seed not in found]
    # Spawned: a fork would inherit the threads of libraries that are loaded here.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool, results.open("a") as file:
        tasks = [pool.submit(run, cell, seed, folder, SETTINGS) for seed in missing]
        for task in as_completed(tasks):
            line = task.result()
            found[line["seed"]] = line
            file.write(json.dumps(line) + "\n")
            file.flush()
    return (found[seed] for seed in range(SEEDS))


def written(results: Path) -> list[Line]:
    if not results.is_file():
        return []
    return [json.loads(line) for line in results.read_text().splitlines()]


def run(cell: Line, seed: int, folder: Path, settings: PipelineSettings) -> Line:
    if "noise" in cell:
        return cell | {"seed": seed, "deployed": is_deployed_on_noise(seed, settings, folder)}
    found = shares(cell["bayes_auc"], cell["count"], seed, settings)
    return cell | {"seed": seed, "names": list(found)} | found


def digest() -> str:
    """What stands for the settings: lines of others are of another pipeline."""
    return msgspec.json.encode(SETTINGS, order="sorted").decode()


def error(values: np.ndarray) -> float:
    """The standard error of a mean of shares, in points."""
    return 100.0 * float(values.std(ddof=1)) / values.size**0.5 if values.size > 1 else np.inf


def allowance(values: np.ndarray) -> float:
    return 0.0 if values.size >= SEEDS_ALL else 2.0 * error(values) / 100.0


def gap(values: np.ndarray) -> str:
    return f"{100 * values.mean():+.1f} ± {error(values):.1f}"
