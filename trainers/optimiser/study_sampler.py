"""Proposes the next parameters of a study: Optuna's TPE over the trials that there are.

A trial is sampled in a copy of the study in memory, and enters the storage with its parameters in
one write. The copy knows the finished trials, and those that are being worked on, whose
neighbourhood the sampler then avoids.
"""

from collections.abc import Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from trainers.optimiser.search_space import SearchSpace

STARTUP_TRIALS = 10
"""Random ones before the sampler has something to go by."""


def suggest(
    space: SearchSpace,
    trials: Sequence[FrozenTrial],
    seed: int,
    *,
    startup_trials: int = STARTUP_TRIALS,
) -> dict[str, Any]:
    """Return a value for every range of `space`, given the `trials` so far.

    The same trials and seed give the same values. A pruned trial counts by its last step.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup_trials)
    copy = optuna.create_study(direction="maximize", sampler=sampler)
    distributions = space.distributions()
    copy.add_trials(
        create_trial(
            state=trial.state,
            params=trial.params,
            distributions=distributions,
            values=trial.values if trial.state == TrialState.COMPLETE else None,
            intermediate_values=trial.intermediate_values,
        )
        for trial in trials
    )
    return dict(copy.ask(distributions).params)
