"""A model is frozen before anything that is sealed is seen, and is the same however it was made."""

import itertools
import threading
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from streams.errors import ConfigError, DataError
from tests.trainers.pipeline.small_runs import (
    NOW_TS,
    SETTINGS,
    TASK,
    bytes_of,
    place_in,
    planted,
    settings_with,
    spoiled,
    spread,
)
from tests.trainers.samples import noise_dataset
from trainers.challenger import Challenger
from trainers.database.engine import open_database
from trainers.optimiser.holdout import open_holdout
from trainers.optimiser.study_spans import Span
from trainers.pipeline.account import FOLDED, account_of
from trainers.pipeline.model_training import export_model, freeze_model, judge_model
from trainers.pipeline.search import FOREST
from trainers.research.trial_ledger import TrialLedger

DATED = settings_with(spans="dates")


@pytest.fixture(scope="module")
def samples():
    return planted()


@pytest.fixture(scope="module")
def undisturbed(samples, tmp_path_factory):
    """The frozen model, its judged twin, card and graph, and the account, made in one go."""
    place = place_in(tmp_path_factory.mktemp("undisturbed"))
    frozen = freeze_model(samples, TASK, SETTINGS, place)
    judged = judge_model(frozen, TASK, SETTINGS, place)
    written = export_model(judged, TASK, SETTINGS, place.release)
    return frozen, judged, written, account_of(judged, samples, TASK, SETTINGS, place), place


def frozen_bytes(samples, settings, folder):
    return bytes_of(freeze_model(samples, TASK, settings, place_in(folder)))


def test_nothing_that_is_sealed_moves_the_frozen_model(samples, undisturbed, tmp_path):
    frozen = undisturbed[0]
    opens_ts = int(frozen.spans.holdout.ts[0])
    other = spoiled(samples, samples.ts >= opens_ts)
    assert frozen_bytes(other, SETTINGS, tmp_path) == bytes_of(frozen)


def test_nothing_before_the_walk_nor_after_the_holdout_moves_it(tmp_path):
    samples = spread(planted(1_100), "2014-06-01", "2025-10-01", hold_days=10)
    own = freeze_model(samples, TASK, DATED, place_in(tmp_path / "own"))
    first, opens, last = (
        int(ts)
        for ts in (own.spans.research.ts[0], own.spans.holdout.ts[0], own.spans.holdout.ts[-1])
    )
    before, after = samples.ts < first, samples.ts > last
    assert min(before.sum(), after.sum()) > 50
    # What crosses the edge into the holdout is purged, whatever it says.
    crossing = (samples.ts < opens) & (samples.exit_ts >= opens)
    assert crossing.any()
    outside = before | (samples.ts >= opens) | crossing
    exits = np.where(before, samples.exit_ts, 0)
    other = spoiled(samples, outside)
    other = replace(other, exit_ts=np.where(before, exits, other.exit_ts))
    assert frozen_bytes(other, DATED, tmp_path / "other") == bytes_of(own)


def test_a_single_outcome_of_the_research_span_moves_it(samples, undisturbed, tmp_path):
    y = samples.y.copy()
    y[500] = 1 - y[500]
    other = frozen_bytes(replace(samples, y=y), SETTINGS, tmp_path)
    assert other[1] != bytes_of(undisturbed[0])[1]


def test_the_same_samples_and_settings_give_the_same_bytes(samples, undisturbed, tmp_path):
    nowhere = place_in(tmp_path)._replace(storage=None)
    frozen = freeze_model(samples, TASK, settings_with(workers=3), nowhere)
    assert bytes_of(frozen) == bytes_of(undisturbed[0])


class Killed(BaseException):
    """What no handler of errors stops."""


@pytest.mark.parametrize(("stage", "done"), [("lightgbm", 1), ("fit", 0), ("account", 0)])
def test_a_training_that_was_killed_goes_on_as_if_it_had_not_been(
    samples, undisturbed, tmp_path, stage, done
):
    def on_stage(told):
        if told[:2] == (stage, done):
            raise Killed

    with pytest.raises(Killed):
        _made(samples, place_in(tmp_path, on_stage))
    # The clock has gone on: the seal was broken when it was first.
    later = (lambda: NOW_TS + 5) if stage == "account" else (lambda: NOW_TS)
    written, report = _made(samples, place_in(tmp_path, now_ns=later))
    _, _, expected, account, _ = undisturbed
    assert written == expected
    assert report.overfitting == account.overfitting
    assert report.tuning == account.tuning
    assert report.holdout.opened_ts == NOW_TS
    assert report.holdout.opened_for_others == 0


def _made(samples, place):
    frozen = freeze_model(samples, TASK, SETTINGS, place)
    judged = judge_model(frozen, TASK, SETTINGS, place)
    report = account_of(judged, samples, TASK, SETTINGS, place)
    return export_model(judged, TASK, SETTINGS, place.release), report


def test_an_opening_is_recorded_before_anything_is_looked_at(undisturbed, tmp_path, monkeypatch):
    place = place_in(tmp_path)

    def probability(_self, _x):
        raise Killed

    monkeypatch.setattr(Challenger, "probability", probability)
    with pytest.raises(Killed):
        judge_model(undisturbed[0], TASK, SETTINGS, place)
    monkeypatch.undo()
    assert judge_model(undisturbed[0], TASK, SETTINGS, place).opened.before == 1


def test_another_configuration_finds_the_seal_broken(samples, undisturbed, tmp_path):
    place = place_in(tmp_path)
    judge_model(undisturbed[0], TASK, SETTINGS, place)
    other = settings_with(learners=("logistic",), tuned=(), trials=1)
    frozen = freeze_model(samples, TASK, other, place)
    opened = judge_model(frozen, TASK, other, place_in(tmp_path, now_ns=lambda: NOW_TS + 9)).opened
    assert opened == (1, 1, NOW_TS + 9)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_of_openings_at_one_moment_each_knows_of_those_before(kind, tmp_path, request):
    location = tmp_path / "l.db" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    count, found = 6, []
    together = threading.Barrier(count)

    def open_one(number):
        engine = open_database(location)
        together.wait()
        opened = open_holdout(
            engine,
            symbols_digest="d",
            span=Span(1, 9),
            strategy="model of rsi2",
            study="s",
            params="p",
            opened_ts=NOW_TS + number,
        )
        found.append(opened)
        engine.dispose()

    threads = [threading.Thread(target=open_one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(opened.before for opened in found) == list(range(count))
    assert {opened.for_others for opened in found} == {0}


def test_trials_are_counted_once_whoever_repeats_them(samples, undisturbed):
    frozen, judged, _, account, place = undisturbed
    again = account_of(judged, samples, TASK, SETTINGS, place)
    made = [
        (n, tuple(t.params.items())) for n, one in frozen.searched.tuned.items() for t in one.trials
    ]
    assert len(made) == SETTINGS.trials + 1
    with TrialLedger(place.ledger) as ledger:
        assert ledger.count() == len(set(made)) > 2
    assert again.overfitting == account.overfitting
    assert account.overfitting.deflated.trials == len(set(made))


def test_planted_skill_passes_and_the_card_says_when_the_seal_was_broken(undisturbed):
    _, judged, (card, _), account, _ = undisturbed
    assert judged.verdict.promoted
    assert judged.verdict.figures["gate_auc"] > 0.6
    assert msgspec.json.decode(card)["holdout_opened_ts"] == NOW_TS
    assert account.holdout.evaluation.auc.value == judged.verdict.figures["gate_auc"]


def test_a_model_that_is_silent_counts_as_its_null(undisturbed, tmp_path):
    frozen = undisturbed[0]
    holdout = frozen.spans.holdout
    silent = replace(holdout, x=np.full_like(holdout.x, np.nan))
    spans = replace(frozen.spans, holdout=silent)
    judged = judge_model(replace(frozen, spans=spans), TASK, SETTINGS, place_in(tmp_path))
    assert np.isnan(judged.said).all()
    assert not judged.verdict.promoted
    assert judged.verdict.figures["gate_auc"] == 0.5


def test_noise_is_refused(tmp_path):
    place = place_in(tmp_path)
    frozen = freeze_model(noise_dataset(900, 2, columns=8), TASK, SETTINGS, place)
    judged = judge_model(frozen, TASK, SETTINGS, place)
    assert not judged.verdict.promoted
    assert judged.verdict.reason == "not_better_than_null"
    assert judge_model(frozen, TASK, SETTINGS, place).opened.before == 1


def test_more_groups_than_days_are_told_and_break_nothing(tmp_path):
    samples = planted(180)
    settings = settings_with(cpcv_groups=12, learners=("logistic",), tuned=(), trials=1)
    place = place_in(tmp_path)
    judged = judge_model(freeze_model(samples, TASK, settings, place), TASK, settings, place)
    report = account_of(judged, samples, TASK, settings, place)
    assert report.combinatorial is None
    assert "12 blocks in time need 12 different instants" in report.missing["combinatorial"]
    assert report.walk_forward is None
    assert report.missing["walk_forward"] == FOLDED
    assert report.spans.scheme.startswith("purged k-fold")


def test_the_forest_of_the_original_is_said_to_be_judged_on_paths(tmp_path):
    samples = planted(450)
    place = place_in(tmp_path)
    settings = settings_with(legacy_forest=True, cpcv_groups=3, cpcv_test_groups=1, trials=1)
    frozen = freeze_model(samples, TASK, settings, place)
    assert frozen.taken.name == FOREST
    report = account_of(judge_model(frozen, TASK, settings, place), samples, TASK, settings, place)
    assert report.spans.scheme == "combinatorial purged cross-validation, 3 splits"
    assert report.combinatorial.figures.paths == 1
    assert report.walk_forward is None


def test_the_forest_of_the_original_with_another_embargo_is_another_study(
    samples, tmp_path, monkeypatch
):
    studies = []

    def searched(*_given, study, **_named):
        studies.append(study)
        raise Killed

    monkeypatch.setattr("trainers.pipeline.search.tune_legacy_forest", searched)
    for changes in ({}, {}, {"embargo_days": 2.0}, {"seed": 8}, {"workers": 3}, {"trials": 9}):
        settings = settings_with(legacy_forest=True, **changes)
        with pytest.raises(Killed):
            freeze_model(samples, TASK, settings, place_in(tmp_path))
    # random_trials is a share of the trials, and belongs to what a search depends on.
    assert [studies.index(one) for one in studies] == [0, 0, 2, 3, 0, 5]


def test_parameters_that_were_chosen_on_sealed_days_are_told(samples, undisturbed, tmp_path):
    holdout = undisturbed[0].spans.holdout
    first, last = int(holdout.ts[0]), int(holdout.exit_ts.max())
    settings = settings_with(learners=("logistic",), tuned=(), trials=1, folds=2)
    told = []
    for chosen in ((0, 0), (1, first - 1), (1, first), (last + 1, last + 9)):
        task = msgspec.structs.replace(TASK, chosen_from_ts=chosen[0], chosen_to_ts=chosen[1])
        found = freeze_model(samples, task, settings, place_in(tmp_path)).warnings
        told.append(any("the strategy's parameters were chosen on bars" in one for one in found))
    assert told == [False, False, True, False]


def test_an_unknown_learner_is_named_before_any_work(samples, tmp_path):
    settings = settings_with(learners=("logistic", "lightgbn"), tuned=())
    with pytest.raises(ConfigError, match="'lightgbn' is not known: did you mean lightgbm"):
        freeze_model(samples, TASK, settings, place_in(tmp_path))
    assert not list(tmp_path.iterdir())


def test_too_few_samples_are_refused_with_their_number(tmp_path):
    for count in (0, 49):
        with pytest.raises(DataError, match=f"a model needs 50 samples or more, was {count}:"):
            freeze_model(
                planted(count or 60).take(np.arange(count)), TASK, SETTINGS, place_in(tmp_path)
            )


def test_results_so_large_that_the_risk_was_none_are_refused(samples, tmp_path):
    earned = samples.r_multiple.copy()
    earned[7] = 1e300
    with pytest.raises(DataError, match=r"of at most 1e\+09, is not for 1 of 1200"):
        freeze_model(replace(samples, r_multiple=earned), TASK, SETTINGS, place_in(tmp_path))


@pytest.mark.parametrize("width", [1, 2])
def test_one_feature_is_enough_and_constants_are_left_out(samples, tmp_path, width):
    x = samples.x.copy()
    x[:, width:] = 1.0
    settings = settings_with(learners=("logistic",), tuned=(), trials=1)
    frozen = freeze_model(replace(samples, x=x), TASK, settings, place_in(tmp_path))
    assert frozen.challenger.columns.tolist() == list(range(width))


def test_the_past_of_a_fold_is_before_it(undisturbed):
    frozen, _, _, account, _ = undisturbed
    counts = [fold.past_samples for fold in account.walk_forward.summary.folds]
    assert counts == sorted(counts)
    assert counts[0] == 0
    for earlier, later in itertools.pairwise(frozen.searched.plan.folds):
        assert (
            frozen.spans.research.exit_ts[later.train].max()
            < frozen.spans.research.ts[later.test].min()
        )
        assert earlier.test.max() < later.test.min()
