"""On markets without an edge the optimiser claims none; on one with an edge it finds it."""

from pathlib import Path

import numpy as np
import pytest

from engine.settings import CostSettings
from tests.trainers.noise import random_walk_history
from tests.trainers.optimiser.optimising import (
    FREE,
    optimised,
    renamed,
    run_of,
    trending_history,
)
from trainers.optimiser.optimiser_report import OptimiserReport

CHARGED = CostSettings(bps_per_side=2.0)


def noise_report(folder: Path, seed: int, costs: CostSettings, trials: int) -> OptimiserReport:
    history = renamed(random_walk_history(500 + seed, symbols=4, bars=900), f"N{seed}")
    return optimised(run_of(history, folder, trials=trials, costs=costs, seed=seed))


def edge_report(folder: Path, seed: int, trials: int) -> OptimiserReport:
    history = renamed(trending_history(700 + seed), f"E{seed}")
    return optimised(run_of(history, folder, trials=trials, seed=seed))


def test_nothing_is_found_on_random_walks(tmp_path):
    found = [noise_report(tmp_path, seed, FREE, trials=10) for seed in range(3)]
    assert not any(report.is_evidence for report in found)
    assert all(report.sentence.startswith("no evidence of skill: ") for report in found)
    assert min(report.trials.counting for report in found) >= 5


def test_an_edge_is_found_where_there_is_one(tmp_path):
    found = [edge_report(tmp_path, seed, trials=8) for seed in range(2)]
    assert [report.is_evidence for report in found] == [True, True], [r.sentence for r in found]
    assert all(report.deflated.probability > 0.95 for report in found)


@pytest.mark.slow
@pytest.mark.timeout(3_000)
@pytest.mark.parametrize("costs", [FREE, CHARGED])
def test_evidence_on_random_walks_is_as_rare_as_it_says(tmp_path, costs):
    seeds, share = 60, 0.05
    found = [noise_report(tmp_path, seed, costs, trials=25) for seed in range(seeds)]
    claims = sum(report.is_evidence for report in found)
    assert claims <= share * seeds + 2.0 * (seeds * share * (1 - share)) ** 0.5
    pbo = [report.pbo.pbo for report in found if report.pbo is not None]
    spread = np.std(pbo, ddof=1) / len(pbo) ** 0.5
    assert np.mean(pbo) == pytest.approx(0.5, abs=3.0 * spread + 0.05)


@pytest.mark.slow
@pytest.mark.timeout(3_000)
def test_an_edge_is_found_most_of_the_time(tmp_path):
    found = [edge_report(tmp_path, seed, trials=20) for seed in range(10)]
    assert sum(report.is_evidence for report in found) >= 6, [r.sentence for r in found]
