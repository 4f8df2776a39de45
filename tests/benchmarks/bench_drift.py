"""False alarms and delays of the drift detectors on outcomes of trained models; ours are held to
their targets, river's stand beside them.

    DRIFT_MODELS=20 make bench-science ARGS="-k default_drift_detectors"

Models are trained in two processes. Each gives one stream without a change and STREAMS_PER_MODEL
of each kind of change, and a stream of overlapping trades.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest

from engine.drift.detector import detector_names, load_detector
from engine.settings import DriftSettings
from streams.layer_a import Drift
from tests.benchmarks.drift_streams import alarms_of, delay, drawn, trained

pytestmark = [pytest.mark.slow, pytest.mark.timeout(0)]

MODELS = int(os.environ.get("DRIFT_MODELS", "60"))
FIRST_SEED = int(os.environ.get("DRIFT_SEED", "710000"))
PROCESSES = 2
STREAMS_PER_MODEL = 4
DRIFT_AT, OUTCOMES_AFTER = 1_000, 3_000
CALM_OUTCOMES = 6_000
BLOCK, CORRELATION = 10, 0.3

DRIFTS: tuple[Drift, ...] = ("FLIP", "B", "DEAD", "HALF", "PRIOR", "COV")
DEFAULT = DriftSettings()
RANKING = tuple(text for text in DEFAULT.detectors if load_detector(text).CHANNEL == "ranking")
PEERS = [
    f"{name}:{stream}"
    for name in detector_names()
    for stream in load_detector(name).STREAMS
    if name not in DEFAULT.detectors or stream != load_detector(name).STREAMS[0]
]

FALSE_ALARMS_MAX = 1.0
DELAYS_MAX = {"FLIP": 150, "B": 400, "DEAD": 450}
COV_SOON, COV_SHARE_MAX = 1_000, 0.10
OVERLAP_FALSE_ALARMS_MAX = 2.0

Result = dict[str, Any]


def test_the_default_drift_detectors_keep_their_targets_beside_rivers():
    results = every_model(partial(study, calm_outcomes=CALM_OUTCOMES, peers=PEERS))
    outcomes = CALM_OUTCOMES * len(results)
    streams = STREAMS_PER_MODEL * len(results)
    print(f"\n{len(results)} models, {outcomes:,} calm outcomes, {streams} streams of each change")
    print(f"{'detector':<28}{'false/10k':>10}" + "".join(f"{drift:>8}" for drift in DRIFTS))
    for name in results[0]["calm"]:
        medians = [median_delay(results, (name,), drift) for drift in DRIFTS]
        shown = "".join(f"{'-' if np.isinf(value) else f'{value:.0f}':>8}" for value in medians)
        print(f"{name:<28}{rate(results, 'calm', (name,), outcomes):>10.2f}{shown}")
    false_alarms = rate(results, "calm", DEFAULT.detectors, outcomes)
    overlapping = rate(results, "overlapping", DEFAULT.detectors, outcomes)
    soon = np.mean(delays(results, RANKING, "COV") <= COV_SOON)
    print(f"defaults together: {false_alarms:.2f} false alarms in 10,000 outcomes")
    print(f"  of trades in blocks of {BLOCK}, correlation {CORRELATION}: {overlapping:.2f}")
    print(f"  COV: a ranking alarm within {COV_SOON:,} outcomes in {100 * soon:.1f} % of streams")
    assert false_alarms <= FALSE_ALARMS_MAX
    assert overlapping <= OVERLAP_FALSE_ALARMS_MAX
    assert soon <= COV_SHARE_MAX
    for drift, most in DELAYS_MAX.items():
        assert median_delay(results, RANKING, drift) <= most


def every_model(work: Callable[[int], Result]) -> list[Result]:
    # Spawned: a fork would inherit the threads of libraries that are loaded here.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        return list(pool.map(work, range(FIRST_SEED, FIRST_SEED + MODELS)))


def study(seed: int, *, calm_outcomes: int, peers: list[str]) -> Result:
    """All that one model's outcomes give, in a process of its own."""
    model = trained(seed)
    # The defaults share the budget; each of the others has all of its own.
    sets = [DEFAULT, *(DriftSettings(detectors=(text,)) for text in peers)]
    rng = np.random.default_rng(seed)

    def fresh() -> int:
        return int(rng.integers(2**62))

    calm = drawn(model, fresh(), calm_outcomes)
    together = drawn(model, fresh(), calm_outcomes, block=BLOCK, correlation=CORRELATION)
    result: Result = {
        "calm": counts(alarms_of(calm, settings) for settings in sets),
        "overlapping": counts([alarms_of(together, DEFAULT)]),
    }
    for drift in DRIFTS:
        result[drift] = found = []
        for _ in range(STREAMS_PER_MODEL):
            stream = drawn(
                model, fresh(), DRIFT_AT + OUTCOMES_AFTER, drift=drift, drift_at=DRIFT_AT
            )
            alarms: dict[str, list[int]] = {}
            for settings in sets:
                alarms |= alarms_of(stream, settings, until_first_from=DRIFT_AT)
            found.append({name: delay(each, DRIFT_AT) for name, each in alarms.items()})
    return result


def counts(alarms: Iterable[dict[str, list[int]]]) -> dict[str, int]:
    return {name: len(found) for each in alarms for name, found in each.items()}


def rate(results: list[Result], kind: str, names: tuple[str, ...], outcomes: int) -> float:
    """False alarms of these together in 10,000 outcomes."""
    return 1e4 * sum(result[kind][name] for result in results for name in names) / outcomes


def delays(results: list[Result], names: tuple[str, ...], drift: str) -> np.ndarray:
    """The delay of the first of these, on each stream."""
    return np.array([min(one[name] for name in names) for r in results for one in r[drift]])


def median_delay(results: list[Result], names: tuple[str, ...], drift: str) -> float:
    return float(np.median(delays(results, names, drift)))
