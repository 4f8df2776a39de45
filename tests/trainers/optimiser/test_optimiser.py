"""What an optimisation finds, what it may not look at, and that nothing of it is lost."""

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import OperationalError

from engine.backtests.portfolio_settings import PortfolioSettings
from engine.settings import LabelSettings
from streams.errors import ConfigError, DataError
from tests.trainers.noise import random_walk_history
from tests.trainers.optimiser.optimising import (
    finished_in,
    optimised,
    run_of,
    study_of,
    with_values,
    without_history,
)
from trainers.optimiser.evaluation import Evaluator
from trainers.optimiser.optimiser import (
    OptimiserRun,
    Progress,
    optimise,
    research_bars,
    study_task,
)
from trainers.optimiser.study import TrialStudy
from trainers.optimiser.study_figures import chosen_of
from trainers.optimiser.study_ledger import configuration_digest
from trainers.research.trial_ledger import TrialLedger
from trainers.statistics.objective import WORST


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One storage for all: making its tables takes longer than most studies."""
    return tmp_path_factory.mktemp("studies")


@pytest.fixture(scope="module")
def history():
    return random_walk_history(3, symbols=3, bars=500)


def settled(run: OptimiserRun):
    report = optimised(run)
    return report, finished_in(run, report)


def test_one_worker_makes_the_same_trials_again_wherever_it_is_stopped(folder, history):
    whole = settled(run_of(history, folder, study="whole", trials=13))
    optimised(run_of(history, folder, study="parts", trials=4))
    optimised(run_of(history, folder, study="parts", trials=11))
    parts = settled(run_of(history, folder, study="parts", trials=13))
    assert parts[0].trials.found == 11
    assert parts[1] == whole[1]
    assert without_history(parts[0]) == without_history(whole[0])


def test_another_seed_makes_other_trials_after_the_run_files_own(folder, history):
    one = settled(run_of(history, folder, study="seed 1", trials=3, seed=1))[1]
    other = settled(run_of(history, folder, study="seed 2", trials=3, seed=2))[1]
    assert one[0] == other[0]
    assert one[0][1]["hard_stop_atr_mult"] == 2.5
    assert one[1][1] != other[1][1]


def test_bars_of_the_holdout_change_no_trial_and_no_choice(folder, history):
    run = run_of(history, folder, study="seen", trials=6)
    report, trials = settled(run)
    task = study_task(run)
    later = history.ts >= task.spans.holdout.from_ts
    values = history.values.copy()
    values[later, :4] *= np.linspace(1.0, 3.0, later.sum())[:, None]
    assert 0.15 < later.mean() < 0.25
    changed = run_of(with_values(history, values), folder, study="changed", trials=6)
    other, other_trials = settled(changed)
    assert other_trials == trials
    assert (other.trial, other.params, other.portfolio) == (
        report.trial,
        report.params,
        report.portfolio,
    )
    assert other.holdout.performance != report.holdout.performance
    assert research_bars(run, task).ts.max() < task.spans.holdout.from_ts


def test_the_sampler_sees_the_train_days_alone(folder, history):
    run = run_of(history, folder)
    task = study_task(run)
    research = research_bars(run, task)
    values = research.values.copy()
    values[research.ts >= task.spans.validation.from_ts, :4] *= 1.7
    other = Evaluator(task, with_values(research, values))
    params = task.space().rounded(task.own_params())
    first, second = Evaluator(task, research).evaluate(params), other.evaluate(params)
    assert first.value == second.value
    assert first.trades == second.trades
    assert first.folds != second.folds


def test_the_best_on_train_is_not_chosen_when_later_days_speak_against_it(folder, history):
    run = run_of(history, folder, study="choice", trials=12)
    report = optimised(run)
    with study_of(run) as study:
        finished = study.look().finished
    chosen = chosen_of(finished)
    better_half = sorted(finished, key=lambda trial: -trial.value)[:6]
    assert report.trial == chosen.number
    assert chosen.evaluated.validation == max(t.evaluated.validation for t in better_half)
    assert chosen.number in {trial.number for trial in better_half}


def test_returns_survive_in_the_storage_as_they_were(folder, history):
    run = run_of(history, folder, study="returns", trials=2)
    optimised(run)
    task = study_task(run)
    research = research_bars(run, task)
    with study_of(run) as study:
        finished = study.look().finished
    for trial in finished:
        again = Evaluator(task, research).evaluate(trial.params)
        np.testing.assert_allclose(trial.evaluated.returns, again.returns, rtol=1e-6, atol=1e-9)
        assert trial.value == again.value
        assert trial.evaluated.folds == again.folds


def test_trials_with_the_same_parameters_are_evaluated_once_and_are_one(
    folder, history, monkeypatch
):
    ranges = {
        "hard_stop_atr_mult": 2.0,
        "exit_ma": 20,
        "trend_ma": [20, 50],
        "fast_clearance": 0.0,
        "slow_clearance": 0.01,
        "risk_per_trade": 0.01,
        "max_positions": 8,
    }
    evaluated = []
    plain = Evaluator.evaluate

    def counted(self, params):
        evaluated.append(tuple(params.items()))
        return plain(self, params)

    monkeypatch.setattr(Evaluator, "evaluate", counted)
    run = run_of(history, folder, study="twins", trials=9, ranges=ranges)
    run = run._replace(ledger=folder / "twins.db")
    report = optimised(run)
    assert report.trials.complete == 9
    assert report.trials.distinct == 2
    assert len(evaluated) == len(set(evaluated)) == 2
    with TrialLedger(run.ledger) as ledger:
        assert ledger.count() == report.deflated.trials == 2


def test_a_second_look_at_the_holdout_is_told_and_breaks_the_seal_for_another_choice(tmp_path):
    history = random_walk_history(8, symbols=3, bars=500)
    first = optimised(run_of(history, tmp_path, trials=2, seed=1, study="first"))
    again = optimised(run_of(history, tmp_path, trials=2, seed=1, study="first"))
    assert (first.holdout.opened_before, again.holdout.opened_before) == (0, 1)
    assert (first.holdout.for_others, again.holdout.for_others) == (0, 0)
    other = optimised(
        run_of(history, tmp_path, trials=2, study="other", ranges={"hard_stop_atr_mult": 3.5})
    )
    assert (other.holdout.opened_before, other.holdout.for_others) == (2, 2)
    assert "sealed no longer" in other.sentence


def test_the_seal_is_one_for_all_storages_and_names_of_a_strategy(tmp_path):
    history = random_walk_history(9, symbols=3, bars=500)
    first = run_of(history, tmp_path, trials=1, study="first")
    assert optimised(first).holdout.opened_before == 0
    elsewhere = first._replace(location=tmp_path / "elsewhere.db")
    named = replace(first.strategy, name="mine", kind="breakout")
    again = optimised(elsewhere._replace(strategy=named)).holdout
    assert (again.opened_before, again.for_others) == (1, 0)
    # What is no searched parameter is part of the choice as well.
    fixed = replace(first.strategy, params={"max_hold_bars": 5})
    other = optimised(elsewhere._replace(strategy=fixed, study="other")).holdout
    assert (other.opened_before, other.for_others) == (2, 2)


def test_a_search_that_was_given_up_has_been_counted(tmp_path, history):
    run = run_of(history, tmp_path, trials=50, study="given up")

    def give_up(progress: Progress) -> None:
        if progress.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        optimise(run, now_ns=lambda: 0, on_progress=give_up)
    another = run_of(history, tmp_path, trials=2, study="another", seed=5)
    # The first trial of both is the run file's own.
    assert optimised(another).deflated.trials == 3


def test_a_storage_that_goes_away_is_told_and_keeps_what_it_has(tmp_path, history, monkeypatch):
    run = run_of(history, tmp_path, trials=4, study="away")
    plain, begun = TrialStudy.begin, []

    def begin(self, *given):
        begun.append(given)
        if len(begun) == 3:
            raise StorageInternalError from OperationalError("", {}, Exception("disk is full"))
        return plain(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(TrialStudy, "begin", begin)
        with pytest.raises(DataError, match=r"studies\.db cannot be used: disk is full"):
            optimised(run)
    assert optimised(run).trials.found == 2


def test_a_configuration_is_all_that_decides_a_trial_and_no_more(tmp_path, history):
    run = run_of(history, tmp_path)

    def digest(**changes: object) -> str:
        task = study_task(run._replace(strategy=replace(run.strategy, **changes)))
        return configuration_digest(task, {"exit_ma": 50})

    same = [digest(), digest(params={"trend_ma": 50}), digest(params={"exit_ma": 20})]
    assert len({*same, digest(name="mine", kind="breakout")}) == 1
    others = [
        digest(params={"trend_ma": 20}),
        digest(params={"max_hold_bars": 5}),
        digest(overlapping=True),
        digest(label=LabelSettings(rule="triple_barrier")),
    ]
    assert len({digest(), *others}) == 5


def test_too_few_trades_are_worth_the_worst(folder, history):
    run = run_of(history, folder, study="few", trials=2, trades_min=10_000)
    report, trials = settled(run)
    assert [value for _, _, value in trials] == [WORST, WORST]
    assert report.trials.counting == 0
    assert not report.is_evidence
    assert "no trial closed enough trades" in report.sentence


def test_a_study_is_not_continued_with_other_bars(folder, history):
    optimised(run_of(history, folder, study="fixed", trials=1))
    other = with_values(history, history.values * 1.5)
    with pytest.raises(ConfigError, match=r"study fixed is there with another bars"):
        optimised(run_of(other, folder, study="fixed", trials=2))


def test_no_more_trials_are_complete_than_asked_for_however_processes_race(folder, history):
    run = run_of(history, folder, study="race")
    task = study_task(run)
    space = task.space()
    sampled = {one.name: task.own_params()[one.name] for one in space.ranges}
    with study_of(run) as study:
        # Six processes that all saw room for a trial at the same moment, four places.
        begun = [study.begin(space, sampled, f"member {k}") for k in range(6)]
        look = study.look()
        placed = [look.has_place(look.running_one(one), 4) for one in begun]
        assert placed == [True, True, True, True, False, False]
        # One of the four fails: who came too late stays out, a new one finds its place.
        for one in begun[1:2] + begun[4:]:
            study.fail(look.running_one(one))
        new = study.begin(space, sampled, "member 7")
        look = study.look()
        assert look.has_place(look.running_one(new), 4)


def test_a_portfolio_of_one_position_takes_fewer_trades(folder, history):
    run = run_of(history, folder, portfolio=PortfolioSettings(max_positions=4))
    task = study_task(run)
    evaluator = Evaluator(task, research_bars(run, task))
    own = task.space().rounded(task.own_params())
    few = evaluator.performance({**own, "max_positions": 1}, task.spans.train)
    many = evaluator.performance(own, task.spans.train)
    assert 0 < few.trades < many.trades


@pytest.mark.parametrize(
    ("ranges", "words"),
    [
        ({"exit_mas": 20}, "did you mean exit_ma"),
        ({"exit_ma": 30}, "exit_ma must be among 20, 50, was 30"),
        ({"fast_clearance": [0.01]}, "must be [low, high] or one float within 0.0 to 0.02"),
        ({"max_positions": [4, 40]}, "max_positions must be [low, high] or one int within 4"),
        ({"max_positions": [9, 5]}, "was [9, 5] (optimize.ranges.max_positions)"),
        ({"risk_per_trade": True}, "risk_per_trade must be"),
    ],
)
def test_a_range_that_is_not_declared_is_refused(tmp_path, history, ranges, words):
    with pytest.raises(ConfigError) as told:
        study_task(run_of(history, tmp_path, ranges=ranges))
    assert words in str(told.value)


def test_the_space_of_breakout_is_that_of_the_original_design(tmp_path, history):
    space = study_task(run_of(history, tmp_path)).space()
    ranges = {
        one.name: (one.low, one.high) if one.kind != "choice" else one.choices
        for one in space.ranges
    }
    assert ranges == {
        "hard_stop_atr_mult": (1.5, 4.0),
        "exit_ma": (20, 50),
        "fast_clearance": (0.0, 0.02),
        "slow_clearance": (0.005, 0.025),
        "trend_ma": (20, 50, 100),
        "risk_per_trade": (0.005, 0.015),
        "max_positions": (4, 12),
    }


@pytest.mark.parametrize(
    "objective", ["sharpe", "calmar", "sortino", "profit_factor", "expectancy"]
)
def test_every_objective_can_be_maximised(folder, history, objective):
    report = optimised(run_of(history, folder, trials=2, objective=objective))
    assert report.objective.startswith(objective)
    assert report.value > WORST


@pytest.mark.parametrize(
    "settings", [{"holdout_fraction": 0.6, "validation_fraction": 0.6}, {"folds": 60}]
)
def test_spans_that_are_too_short_are_refused(tmp_path, settings):
    history = random_walk_history(1, symbols=1, bars=250)
    with pytest.raises(ConfigError, match="days must be"):
        study_task(run_of(history, tmp_path, **settings))
