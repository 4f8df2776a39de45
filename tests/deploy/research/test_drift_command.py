"""`assay drift`: detectors are listed, thresholds chosen from what models said, or honestly not."""

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from deploy.cli import execute
from deploy.config import load_run
from deploy.research.drift_calibration import Calibrated
from deploy.research.drift_calibration_view import config_line
from engine.drift.detector import detector_names
from engine.drift.drift_budget import watchers
from engine.settings import DriftSettings
from streams import layer_a
from tests.trainers.false_alarms.profiles import DAY_NS, START_TS
from trainers.database.feature_database import FeatureDatabase
from trainers.false_alarms.budget_study import BudgetStudy
from trainers.false_alarms.outcome_profile import profile_of_auc
from trainers.false_alarms.threshold_choice import Choice
from trainers.sample import Sample

STRATEGY = "alpha"
OUTCOMES = 600
RUN_FILE = """
strategy: alpha
kind: external
data: {source: sample}
drift: {budget: 400}
"""
QUICK = ("--streams", "30", "--horizon", "600")


class Line:
    """Runs commands on one run file and one state directory."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.config = folder, folder / "run.yaml"
        self.config.write_text(RUN_FILE)
        self._capsys = capsys

    def __call__(self, *arguments: str, ends: int = 0) -> tuple[dict[str, Any], str]:
        where = ("--config", str(self.config), "--state-dir", str(self.folder), "--json")
        assert execute(["drift", "calibrate", *QUICK, *where, *arguments]) == ends
        captured = self._capsys.readouterr()
        return json.loads(captured.out.splitlines()[-1]), " ".join(captured.err.split())

    def store(self, probability: np.ndarray, y: np.ndarray, models: list[str | None]) -> None:
        """Put outcomes into the database, three trades a day, open for a day."""
        with FeatureDatabase(self.folder / "features.db") as database:
            digest = database.register_names(("x",))
            database.add(
                sample_of(row, float(p), int(outcome), model, digest)
                for row, (p, outcome, model) in enumerate(zip(probability, y, models, strict=True))
            )


def sample_of(row: int, probability: float, y: int, model: str | None, digest: str) -> Sample:
    ts = START_TS + row // 3 * DAY_NS
    return Sample(
        strategy=STRATEGY, signal_id=f"s-{row:05d}", source="virtual", symbol=f"S{row % 3}", ts=ts,
        entry_ts=ts, exit_ts=ts + DAY_NS, side=1, score=0.5, y_binary=y, y_return=0.0,
        r_multiple=0.0, pnl_net=0.0, vector=np.zeros(1, "<f4").tobytes(), features_digest=digest,
        probability=None if model is None else probability, model=model,
    )  # fmt: skip


@pytest.fixture
def assay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Line:
    return Line(tmp_path, capsys)


def said(auc: float = 0.68, count: int = OUTCOMES, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """What a calibrated model said, and what became of it."""
    rng = np.random.default_rng(seed)
    p = rng.permutation(profile_of_auc(auc, 0.45, 1.0).probability)[:count]
    return p, (rng.random(count) < p).astype(np.int64)


def test_detectors_are_listed_with_channel_streams_and_budget(capsys: pytest.CaptureFixture[str]):
    assert execute(["drift", "list", "--json"]) == 0
    captured = capsys.readouterr()
    found = {one["name"]: one for one in json.loads(captured.out.splitlines()[-1])["detectors"]}
    assert tuple(found) == detector_names()
    slope, page_hinkley = found["slope"], found["page_hinkley"]
    assert (slope["channel"], slope["has_budget"]) == ("ranking", True)
    assert (found["intercept"]["channel"], found["intercept"]["is_clustered"]) == (
        "calibration",
        True,
    )
    assert not page_hinkley["has_budget"]
    assert set(page_hinkley["default_thresholds"]) == set(page_hinkley["streams"])
    assert "page_hinkley" in captured.err


def test_thresholds_come_of_what_the_newest_model_said(assay: Line):
    old, new = said(0.9, 300, seed=2), said()
    p, y = np.concatenate((old[0], new[0])), np.concatenate((old[1], new[1]))
    assay.store(p, y, ["alpha-old"] * 300 + ["alpha-new"] * OUTCOMES)
    target = assay.folder / "out" / "drift.yaml"
    found, told = assay("--output", str(target))
    (strategy,) = found["strategies"]
    assert (strategy["origin"], strategy["model"]) == ("stored", "alpha-new")
    assert strategy["outcomes"] == OUTCOMES
    assert strategy["promised_auc"] == pytest.approx(0.68, abs=0.02)
    assert abs(strategy["seen_auc"] - 0.68) < 4 * strategy["seen_auc_error"]
    assert strategy["per_month"] == pytest.approx(3 * 365.25 / 12, rel=0.01)
    # Three trades of a day, of which nothing was planted to move together.
    assert strategy["open_together"] == 3.0
    assert abs(strategy["correlation"]) < 4 * strategy["correlation_error"]
    promise = strategy["promise"]
    assert promise["outcomes_to_false_alarm"] + 3 * promise["error"] >= 400
    for word in ("one false alarm per", "months expected", "a loss of all skill found in"):
        assert word in told
    # What was written is what a run takes, by its file and by --set.
    thresholds = {one["detector"]: one["threshold"] for one in found["choices"]}
    detectors = ["slope", "intercept"]
    assert found["drift"] == {"detectors": detectors, "budget": 400.0, "thresholds": thresholds}
    written = assay.config.read_text().replace("drift: {budget: 400}\n", target.read_text())
    assay.config.write_text(written)
    settings = load_run(assay.config).drift
    assert {one.name: one.threshold for one in watchers(settings, 1)} == thresholds
    pasted = f"drift={json.dumps(found['drift'])}"
    assert load_run(Path("quickstart"), (pasted,)).drift.thresholds == thresholds


def test_the_same_seed_says_the_same_and_a_budget_may_be_given(assay: Line):
    assay.store(*said(), ["alpha-1"] * OUTCOMES)
    first, _ = assay("--seed", "3")
    again, _ = assay("--seed", "3")
    other, _ = assay("--seed", "3", "--budget", "900")
    assert first == again
    assert other["budget"] == 900.0
    for less, more in zip(first["choices"], other["choices"], strict=True):
        assert more["target"] == pytest.approx(less["target"] * 900 / 400)
        assert more["threshold"] > less["threshold"]


def test_a_model_that_is_told_of_needs_no_samples(assay: Line):
    told = ("--auc", "0.65", "--base-rate", "0.4", "--trades-per-month", "50")
    found, words = assay(*told)
    (strategy,) = found["strategies"]
    assert (strategy["origin"], strategy["per_month"]) == ("told", 50.0)
    assert strategy["base_rate"] == pytest.approx(0.4, abs=1e-3)
    assert found["choices"][0]["origin"] == "simulated"
    loss = next(
        one for one in strategy["promise"]["delays"] if (one["law"], one["by"]) == ("loss", "slope")
    )
    assert f"found in {loss['median']:,.0f} trades" in words


def test_a_model_that_is_told_of_comes_when_the_samples_come(assay: Line):
    assay.store(*said(), [None] * OUTCOMES)
    (strategy,) = assay("--auc", "0.65")[0]["strategies"]
    assert strategy["open_together"] == 3.0
    assert strategy["per_month"] == pytest.approx(3 * 365.25 / 12, rel=0.01)
    assert strategy["base_rate"] == pytest.approx(0.45, abs=0.06)


def test_a_budget_of_many_lives_is_told_of(assay: Line):
    told = ("--auc", "0.65", "--trades-per-month", "2")
    words = assay(*told, "--budget", "700")[1]
    assert "--budget 240 is one in ten years" in words
    assert "is one in ten years" not in assay(*told, "--budget", "240")[1]


def test_the_line_that_is_printed_loads_whatever_the_detectors_and_the_budget(assay: Line):
    names = ("slope:error", "page_hinkley:brier")
    choices = tuple(
        Choice(name, "ranking", threshold, 1e13, None, None, "extrapolated")
        for name, threshold in zip(names, (6.07e17, 53.5), strict=True)
    )
    drift = DriftSettings(detectors=names, budget=1e12)
    line = config_line(Calibrated(drift, 1, (), BudgetStudy(choices, {}, is_whole=True)))
    assert "\n" not in line
    assay.config.write_text(RUN_FILE.replace("drift: {budget: 400}", line))
    settings = load_run(assay.config).drift
    assert (settings.detectors, settings.budget) == (names, 1e12)
    found = {one.name: one.threshold for one in watchers(settings, 1)}
    assert found == {"slope:error": 6.07e17, "page_hinkley:brier": 53.5}


def test_there_is_an_honest_word_where_nothing_can_be_said(assay: Line):
    found, words = assay(ends=1)
    assert not found["calibrated"]
    assert "there is no feature database yet" in words
    assert "claims no skill" in assay("--auc", "0.5", ends=1)[1]
    p, y = said(count=150)
    assay.store(p, y, ["alpha-1"] * 150)
    assert "150 samples and no model that has spoken: 200 are needed" in assay(ends=1)[1]


@pytest.mark.parametrize("outcome", [0, 1])
def test_outcomes_of_one_kind_say_nothing(assay: Line, outcome: int):
    p, _ = said(count=250)
    assay.store(p, np.full(250, outcome), ["alpha-1"] * 250)
    words = assay(ends=1)[1]
    assert f"all 250 outcomes are {'wins' if outcome else 'losses'}" in words


def test_a_model_that_promises_more_than_it_keeps_is_told_of(assay: Line):
    p, _ = said(0.8)
    y = (np.random.default_rng(4).random(OUTCOMES) < 0.6).astype(np.int64)
    assay.store(p, y, ["alpha-1"] * OUTCOMES)
    words = assay()[1]
    assert "it promises more than it keeps" in words
    assert "its level is off by +" in words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--auc", "0.4"), "--auc must be in [0.5, 0.99], was 0.4"),
        (("--base-rate", "0.4"), "describe a model: give --auc too"),
        (("--auc", "0.6", "--model", "m.onnx"), "give --auc or --model, not both"),
        (("--auc", "0.6", "--base-rate", "1"), "--base-rate must be in [0.01, 0.99], was 1.0"),
        (("--auc", "0.6", "--trades-per-month", "0"), "must be above 0, was 0.0"),
        (("--strategy", "alpa"), "strategy 'alpa' is not in the run"),
        (("--budget", "-5"), "drift.budget"),
        (("--budget", "1e17", "--auc", "0.6"), "<= 1000000000000.0, was 1e+17"),
        (("--set", "drift.detectors=[]", "--auc", "0.6"), "drift.detectors is empty: name one"),
        (("--output", "drift.txt"), "--output must end in .yaml or .yml, was drift.txt"),
        (("--set", "drift.detectors=[slop]", "--auc", "0.6"), "'slop' is not known"),
    ],
)
def test_what_makes_no_sense_is_refused(assay: Line, arguments: tuple[str, ...], words: str):
    found, _ = assay(*arguments, ends=2)
    assert words in found["error"]


class LayerA:
    """Samples of Layer A as an engine's own signals, which no model has spoken of yet."""

    def __init__(self, line: Line) -> None:
        names = ", ".join(layer_a.FEATURE_NAMES)
        line.config.write_text(RUN_FILE + f"features: [{names}]\ntrain: {{min_samples: 200}}\n")
        self._line = line

    def store(self, first: int, count: int) -> None:
        law = layer_a.draw(np.random.default_rng(first), count, bayes_auc=0.70)
        with FeatureDatabase(self._line.folder / "features.db") as database:
            digest = database.register_names(
                tuple(f"signal_{name}" for name in layer_a.FEATURE_NAMES)
            )
            vectors = law.features.astype("<f4")
            database.add(
                msgspec.structs.replace(
                    sample_of(first + row, 0.5, y, None, digest),
                    vector=vectors[row].tobytes(),
                    y_return=0.01 if y else -0.01,
                    r_multiple=1.0 if y else -1.0,
                )
                for row, y in enumerate(law.outcome.tolist())
            )


def test_where_no_model_has_spoken_a_learner_does_then_the_model_s_file(assay: Line):
    samples = LayerA(assay)
    samples.store(0, 900)
    (strategy,) = assay()[0]["strategies"]
    assert (strategy["origin"], strategy["model"]) == ("out_of_fold", "lightgbm")
    assert strategy["outcomes"] == 900
    assert 0.6 < strategy["seen_auc"] < 0.72
    where = ("--config", str(assay.config), "--state-dir", str(assay.folder))
    assert execute(["train", "--train", *where]) == 0
    # All that there was may have trained it; what comes after has not.
    samples.store(900, 300)
    (strategy,) = assay()[0]["strategies"]
    assert strategy["origin"] == "file"
    assert strategy["model"].startswith("alpha-")
    assert 200 <= strategy["outcomes"] <= 600
    assert 0.58 < strategy["promised_auc"] < 0.72
