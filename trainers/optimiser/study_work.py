"""One process at work on a study: sample, evaluate, write down, until all trials are there.

The first trial is what the run file has, where the ranges hold it. The others come from Optuna's
TPE. Each trial has a sampler of its own, whose seed is the study's, the number of trials before
it, and the member: alone, a process makes the same trials whenever it is started, stopped and
started again; with several the trials depend on who was faster, and cannot be made again one by
one.
"""

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial
from sqlalchemy import Engine

from streams.errors import ConfigError
from trainers.optimiser.evaluation import Evaluator, StudyTask
from trainers.optimiser.search_space import SearchSpace
from trainers.optimiser.study import Trials, TrialStudy, finished_of
from trainers.optimiser.study_ledger import StudyLedger
from trainers.optimiser.study_member import Watch
from trainers.optimiser.study_sampler import suggest
from trainers.statistics.objective import WORST

WAIT_S = 0.2
"""Between two looks at a study whose last trials others are working on."""

OnTrial = Callable[[], None]
Wait = Callable[[float], bool]
"""Waits for so many seconds; returns whether to stop."""


def work(
    study: TrialStudy,
    task: StudyTask,
    evaluator: Evaluator,
    ledger: StudyLedger,
    engine: Engine,
    *,
    limit: int,
    member: str,
    is_alone: bool,
    wait: Wait,
    now_s: Callable[[], float],
    on_trial: OnTrial = lambda: None,
) -> None:
    """Work until `limit` trials are complete, or `wait` says to stop.

    `is_alone`: whoever called started no other process on this study.
    """
    space, watch = task.space(), Watch(engine, now_s)
    while not wait(0.0):
        trials = study.look()
        if len(trials.complete) >= limit:
            return
        dead = trials.of(watch.dead_among(trials.members))
        for one in dead:
            study.fail(one)
        if dead:
            continue
        if trials.alive >= limit:
            wait(WAIT_S)
            continue
        sampled = _sample(space, task, trials, "" if is_alone and not trials.running else member)
        trial_id = study.begin(space, sampled, member)
        trials = study.look()
        trial = trials.running_one(trial_id)
        if trial is None:
            continue
        try:
            if not trials.has_place(trial, limit):
                study.fail(trial)
                continue
            _finish(study, space, evaluator, ledger, trial, trials.twin_of(trial))
        except BaseException:
            # Stopped within a trial: it is given up at once, so that nobody has to wait for it.
            study.fail(trial)
            raise
        on_trial()


def _finish(
    study: TrialStudy,
    space: SearchSpace,
    evaluator: Evaluator,
    ledger: StudyLedger,
    trial: FrozenTrial,
    twin: FrozenTrial | None,
) -> None:
    if twin is not None:
        found = finished_of(twin)
        study.finish(trial, found.value, found.evaluated)
        return
    params = space.rounded(trial.params)
    try:
        evaluated = evaluator.evaluate(params)
    except ConfigError:
        # Parameters that contradict one another: a trial that never saw a bar.
        study.finish(trial, WORST, None)
        return
    ledger.record([(params, evaluated)])
    study.finish(trial, evaluated.value, evaluated)


def _sample(space: SearchSpace, task: StudyTask, trials: Trials, stranger: str) -> dict[str, Any]:
    own, place = task.own_params(), trials.alive
    if place == 0 and space.holds(own):
        return {one.name: own[one.name] for one in space.ranges}
    salt = int.from_bytes(hashlib.sha256(stranger.encode()).digest()[:4]) if stranger else 0
    seed = int(np.random.SeedSequence((task.seed, place, salt)).generate_state(1)[0])
    return suggest(space, [*trials.complete, *trials.running], seed)
