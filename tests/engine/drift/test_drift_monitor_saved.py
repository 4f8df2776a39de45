"""A drift monitor that is saved anywhere, and another that goes on from there."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

from engine.answer import Answer
from engine.drift import outcome_window
from engine.drift.detector import detector_names
from engine.drift.drift_monitor import DriftMonitor
from engine.drift.outcome_window import OutcomeWindow
from engine.drift.score_watch import ScoreWatch
from engine.saved import Saved
from engine.settings import DriftSettings
from engine.shells.snapshot import Origin, Snapshot, SnapshotFile
from streams.events import Event
from tests.engine.drift.judging import outcome, run, shifted, stream, watermark
from tests.engine.drift.test_drift_monitor_scores import INPUTS, SCORED, scored_upto

ORIGIN = Origin("drift", 0, 1, "basis", {})
SETTINGS = DriftSettings(
    detectors=detector_names(),
    budget=60.0,
    thresholds={"intercept": 40.0},
    reference_outcomes=20,
    cooldown_outcomes=10,
    review_outcomes=40,
    maturity_days=5.0,
    inputs=INPUTS,
)


def events() -> list[Event]:
    """Two models one after the other, a canary beside them, several symbols, answers, silence."""
    first = stream(8, 150, "FLIP", 60)
    second = shifted(stream(9, 120), 150, model="alpha-2")
    elsewhere = stream(12, 200, symbol="BBB", signal_id="")
    elsewhere = [msgspec.structs.replace(one, signal_id=f"b{i}") for i, one in enumerate(elsewhere)]
    canary = [
        msgspec.structs.replace(one, signal_id=f"c{i}", model="alpha-3", canary=True)
        for i, one in enumerate(stream(10, 150, "FLIP"))
    ]
    beta = stream(11, 200, "PRIOR", 50, strategy="beta", model="beta-1")
    silent = [outcome(n, None, 1, model=None, strategy="beta") for n in range(201, 230)]
    told = sorted([*first, *second, *elsewhere, *canary, *beta, *silent], key=lambda one: one.ts)
    found: list[Event] = []
    for day in range(1, 300, 4):
        found += [one for one in told if day <= one.ts // first[0].ts < day + 4]
        found += [one for one in SCORED if day <= one.ts // first[0].ts < day + 4]
        found += [scored_upto(day + 3), watermark(day + 5)]
    return found


EVENTS = events()


def monitor() -> DriftMonitor:
    return DriftMonitor(SETTINGS, strategies=2, scores=ScoreWatch(INPUTS))


def on_disk(file: SnapshotFile, saved: Saved) -> Saved:
    file.write(Snapshot(ORIGIN, (0, 0), {}, [], 0, saved))
    file.settle()
    found = file.read(ORIGIN)
    assert found is not None
    return found.saved


def run_restarted(file: SnapshotFile, cuts: Sequence[int]) -> tuple[list[Answer], DriftMonitor]:
    one, said, start = monitor(), list[Answer](), 0
    for cut in [*cuts, len(EVENTS)]:
        said += run(one, EVENTS[start:cut])
        other = monitor()
        other.load(on_disk(file, one.save()))
        one, start = other, cut
    return said, one


@pytest.fixture(scope="module")
def expected() -> tuple[list[Answer], DriftMonitor]:
    one = monitor()
    return run(one, EVENTS), one


def test_the_run_says_everything_that_there_is_to_say(
    expected: tuple[list[Answer], DriftMonitor],
) -> None:
    said = [answer.event for answer in expected[0]]
    channels = {(one.channel, one.level) for one in said if hasattr(one, "channel")}
    assert channels >= {
        ("ranking", "warning"),
        ("ranking", "detected"),
        ("ranking", "recovered"),
        ("calibration", "detected"),
        ("inputs", "detected"),
    }
    reasons = {one.reason.split(":")[0] for one in said if hasattr(one, "reason")}
    assert reasons >= {"drift", "refresh", "review"}


@pytest.mark.parametrize("seed", range(4))
def test_one_that_goes_on_from_a_snapshot_says_the_same(
    tmp_path: Path, expected: tuple[list[Answer], DriftMonitor], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    cuts = sorted(rng.choice(len(EVENTS), size=6, replace=False).tolist())
    said, one = run_restarted(SnapshotFile(tmp_path / "drift.snapshot", "basis"), cuts)
    assert said == expected[0], f"cuts {cuts}"
    assert one.state() == expected[1].state()
    assert one.progress_ts == expected[1].progress_ts


def test_saving_changes_nothing(expected: tuple[list[Answer], DriftMonitor]) -> None:
    one, said = monitor(), list[Answer]()
    for start in range(0, len(EVENTS), 50):
        said += run(one, EVENTS[start : start + 50])
        one.save()
    assert said == expected[0]


def test_a_window_keeps_the_newest_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcome_window, "WINDOW_OUTCOMES_MAX", 300)
    window, other = OutcomeWindow(), OutcomeWindow()
    for n in range(1_000):
        window.add(n, n / 1_000, n % 2)
        assert len(window) == min(n + 1, 300)
        assert window.is_full is (n >= 299)
    other.load(window.save())
    for n in range(1_000, 1_500):
        window.add(n, n / 2_000, n % 2)
        other.add(n, n / 2_000, n % 2)
    for one in (window, other):
        assert one.times.tolist() == list(range(1_200, 1_500))
        assert one.probability.tolist() == [n / 2_000 for n in range(1_200, 1_500)]
        assert one.outcome.tolist() == [n % 2 for n in range(1_200, 1_500)]
