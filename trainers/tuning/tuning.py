"""Tunes a learner on the folds of one span: Optuna's TPE, the default hyperparameters first.

A search that is the same whoever runs it. A trial is proposed in the knowledge of all but the
last LAG before it, however many workers there are and whoever is faster; so its parameters,
what it is compared with, and its result follow from the arguments alone, and a search that was
killed goes on as if nothing had been.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState, create_trial
from threadpoolctl import threadpool_limits

from engine.search_range import search_ranges
from streams.errors import DataError
from trainers.learner import load_learner
from trainers.optimiser.search_space import SearchSpace
from trainers.optimiser.study_sampler import suggest
from trainers.optimiser.study_storage import open_storage, telling_of
from trainers.tuning.fold_plan import FoldPlan
from trainers.tuning.pruning import give_up_rule, never
from trainers.tuning.trial_choice import centre_of, choose_trial
from trainers.tuning.tuning_settings import TuningSettings
from trainers.tuning.tuning_study import TuningStudy, frozen, identity_of
from trainers.tuning.tuning_trial import TuningTrial, run_trial

LAG = 8
"""Trials on the way at a time: the most workers that can help."""
ROWS_MIN = 20
"""Fewer outcomes out of fold calibrate nothing."""

NOTHING_FIXED: Mapping[str, Any] = MappingProxyType({})

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tuned:
    """A learner's hyperparameters, and every trial on the way to them, by number.

    `margins` float64[n] are the choice's out-of-fold ones, NaN where no fold predicts. `value`
    and `default_value` are weighted mean gains over the null, nats per sample: more is better.
    """

    learner: str
    params: msgspec.Struct
    margins: Floats
    trials: tuple[TuningTrial, ...]
    is_default: bool
    value: float
    default_value: float


def tune(
    learner: str,
    plan: FoldPlan,
    settings: TuningSettings,
    *,
    storage: str | Path | None = None,
    study: str = "",
    on_trial: Callable[[TuningTrial], None] = lambda trial: None,
    fixed: Mapping[str, Any] = NOTHING_FIXED,
) -> Tuned:
    """Search the ranges of a learner's hyperparameters, and choose.

    `storage`: a SQLite file or a PostgreSQL database that keeps the trials of `study`, which
    another run with the same arguments finds again; more trials or workers may be asked for.
    `on_trial` is called with each trial in the order of their numbers. `fixed` hyperparameters
    are given to every trial.

    Raises DataError for fewer than ROWS_MIN out-of-fold outcomes, or those of one class, and for
    a storage that cannot be used; ConfigError for an unknown learner and for a `study` that was
    begun with something else.
    """
    module, y = load_learner(learner), plan.samples.y[plan.tested]
    if y.size < ROWS_MIN or not 0 < int(y.sum()) < y.size:
        raise DataError(
            f"tuning needs {ROWS_MIN} outcomes of both classes that some fold predicts, the "
            f"{len(plan.folds)} folds of {len(plan.samples)} samples have {y.size} with "
            f"{int(y.sum())} wins: give a longer history"
        )
    space = learner_space(learner, fixed)
    with threadpool_limits(1), _opened(learner, plan, settings, space, storage, study) as kept:
        trials = _Search(learner, plan, settings, space, kept).run(on_trial)
        if settings.trials > 1 and space.ranges:
            trials.append(_try_centre(learner, plan, settings, space, trials))
            on_trial(trials[-1])
    chosen = choose_trial(trials[0], trials[-1], plan, settings.improvement_errors)
    return Tuned(
        learner=learner,
        params=module.Params(**chosen.params),
        margins=chosen.margins,
        trials=tuple(trials),
        is_default=chosen.number == 0,
        value=chosen.value,
        default_value=trials[0].value,
    )


def learner_space(learner: str, fixed: Mapping[str, Any] = NOTHING_FIXED) -> SearchSpace:
    """Return the ranges that a learner declares, but for those that are `fixed`."""
    ranges = search_ranges(load_learner(learner).Params)
    searched = tuple(one for name, one in ranges.items() if name not in fixed)
    return SearchSpace(searched, dict(fixed), frozenset())


def _try_centre(
    learner: str,
    plan: FoldPlan,
    settings: TuningSettings,
    space: SearchSpace,
    trials: Sequence[TuningTrial],
) -> TuningTrial:
    """The last trial. It is never written down: a longer search has another one."""
    params = load_learner(learner).Params(**centre_of(trials, space, int(plan.tested.sum())))
    number = len(trials)
    return run_trial(plan, learner, params, number, seed=settings.seed, give_up=never)


class _UnderWay(NamedTuple):
    params: dict[str, Any]
    result: Future[TuningTrial]


class _Search:
    """The trials of one search, proposed and told in the order of their numbers."""

    def __init__(
        self,
        learner: str,
        plan: FoldPlan,
        settings: TuningSettings,
        space: SearchSpace,
        kept: TuningStudy | None,
    ) -> None:
        self._learner = learner
        self._plan = plan
        self._settings = settings
        self._space = space
        self._kept = kept
        self._found = {} if kept is None else kept.read()
        self._told: list[TuningTrial] = []
        self._frozen: list[FrozenTrial] = []

    def run(self, on_trial: Callable[[TuningTrial], None]) -> list[TuningTrial]:
        """Return all trials but the last, made or found."""
        count = max(1, self._settings.trials - 1) if self._space.ranges else 1
        under_way: deque[_UnderWay] = deque()
        pool = ThreadPoolExecutor(min(self._settings.workers, LAG), "assay-tuning")
        try:
            for number in range(count):
                if len(under_way) == LAG:
                    on_trial(self._tell(under_way.popleft()))
                under_way.append(self._begin(pool, number, [one.params for one in under_way]))
            while under_way:
                on_trial(self._tell(under_way.popleft()))
        finally:
            pool.shutdown(cancel_futures=True)
        return self._told

    def _begin(
        self, pool: ThreadPoolExecutor, number: int, others: Sequence[dict[str, Any]]
    ) -> _UnderWay:
        if number in self._found:
            found: Future[TuningTrial] = Future()
            found.set_result(self._found[number])
            return _UnderWay(self._found[number].params, found)
        sampled = self._sample(number, others)
        params = load_learner(self._learner).Params(**sampled)
        rule = give_up_rule(self._told) if self._settings.prune else never
        made = pool.submit(
            run_trial,
            self._plan,
            self._learner,
            params,
            number,
            seed=self._settings.seed,
            give_up=rule,
        )
        return _UnderWay(msgspec.structs.asdict(params), made)

    def _sample(self, number: int, others: Sequence[dict[str, Any]]) -> dict[str, Any]:
        if number == 0:
            return self._space.fixed
        distributions = self._space.distributions()
        running = [
            create_trial(
                state=TrialState.RUNNING,
                params={one.name: params[one.name] for one in self._space.ranges},
                distributions=distributions,
            )
            for params in others
        ]
        seed = int(np.random.SeedSequence((self._settings.seed, number)).generate_state(1)[0])
        startup = self._settings.startup_trials
        sampled = suggest(self._space, [*self._frozen, *running], seed, startup_trials=startup)
        return self._space.rounded(sampled)

    def _tell(self, one: _UnderWay) -> TuningTrial:
        trial = one.result.result()
        if self._kept is not None and trial.number not in self._found:
            self._kept.write(trial)
        self._told.append(trial)
        if self._space.holds(trial.params):
            self._frozen.append(frozen(trial, self._space))
        return trial


@contextmanager
def _opened(
    learner: str,
    plan: FoldPlan,
    settings: TuningSettings,
    space: SearchSpace,
    storage: str | Path | None,
    study: str,
) -> Iterator[TuningStudy | None]:
    """The trials kept so far; None where nothing is kept."""
    if storage is None:
        yield None
        return
    identity = {**identity_of(learner, plan, settings), "fixed": space.fixed}
    with (
        telling_of(storage),
        TuningStudy(open_storage(storage), study, identity, space, plan) as kept,
    ):
        yield kept
