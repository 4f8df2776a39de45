"""A review: what stands in the shadow beside the model in force, on what has come since.

- The previous champion is judged on the outcomes since the one in force took over; by the gate,
  with the parts exchanged, it comes back.
  Where the one in force has failed, only outcomes since the changepoint count, and the champions
  that were retired before are judged like the previous one.
- A model in force that the trainer made stand aside is judged against the null model alone: where
  it has skill again, it acts again.
- A canary is judged on all outcomes since it began, for every answer carries what it would have
  been told: it stays for good where its gain is there again, and ends where it is worse, or where
  CANARY_WINDOWS_MAX windows have not shown it.
- A challenger that was not promoted is judged on all outcomes that neither model was trained on,
  at the alpha that is left. While a canary answers, challengers wait.

Every look is another chance for luck. So a model is looked at again only when the outcomes have
grown by LOOK_GROWTH, and each look counts.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from trainers.alpha_spending import alpha_of
from trainers.dataset import Dataset
from trainers.frozen_comparison import judge_frozen
from trainers.frozen_model import FrozenModel
from trainers.gate import TOO_FEW_OUTCOMES, Verdict
from trainers.retraining.job_files import (
    CANARY,
    CHALLENGER,
    IN_FORCE,
    PREVIOUS,
    RETIRED,
    Entrant,
    Judged,
    Role,
    Word,
)
from trainers.retraining.ledger import SKILL_RETURNED
from trainers.settings import TrainSettings

LOOK_GROWTH = 1.5
CANARY_WINDOWS_MAX = 4

ROLLED_BACK = "rolled_back"
CAME_BACK = "came_back"
CANARY_HELD = "canary_held"
CANARY_FAILED = "canary_failed"
CANARY_UNPROVEN = "canary_unproven"
UNDECIDED = "undecided"
NO_NEW_OUTCOMES = "no_new_outcomes"

PASSED: dict[Role, str] = {
    IN_FORCE: SKILL_RETURNED,
    PREVIOUS: ROLLED_BACK,
    RETIRED: CAME_BACK,
}


class Standing(NamedTuple):
    """A model in the shadow, and what is known of it."""

    entrant: Entrant
    model: FrozenModel


def review(
    samples: Dataset,
    shadow: Sequence[Standing],
    champion: FrozenModel | None,
    settings: TrainSettings,
    *,
    threshold: float | None,
    challengers_before: int,
) -> list[Judged]:
    """Return what is found of each, in their order; `samples` were all known at the request.

    `threshold` is the probability from which the strategy accepts, None where it accepts all.
    """
    judged: list[Judged] = []
    for standing in shadow:
        entrant = standing.entrant
        held = None if entrant.role == IN_FORCE else champion
        looks = sum(one.is_look and one.entrant.role == CHALLENGER for one in judged)
        before = challengers_before + looks if entrant.role == CHALLENGER else entrant.looks
        if not is_due(entrant, _count(samples, standing, held), settings):
            judged.append(waiting(entrant))
            continue
        verdict = judge_frozen(
            samples,
            standing.model,
            held,
            settings.gate,
            threshold=threshold,
            opens_ts=entrant.opens_ts,
            challengers_before=before,
        )
        judged.append(_found(entrant, verdict, settings))
    return judged


def chosen(judged: Sequence[Judged]) -> Judged | None:
    """Return the one that something follows from: none, or the safest step of those due.

    To go back comes first: what is shown to be better than the model in force goes before that
    model itself, of which no more is shown than some skill. Then what becomes of a canary; of
    challengers that passed, the one that gained most.
    """
    for role in (PREVIOUS, RETIRED, IN_FORCE, CANARY):
        for one in judged:
            if one.entrant.role == role and (one.word == "passed" or one.is_ended):
                return one
    passed = [one for one in judged if one.entrant.role == CHALLENGER and one.word == "passed"]
    return max(passed, key=_gain, default=None)


def _gain(judged: Judged) -> float:
    figures = judged.figures
    return figures.get("log_loss_gain_vs_champion", figures.get("log_loss_gain_vs_null", 0.0))


def is_due(entrant: Entrant, outcomes: int, settings: TrainSettings) -> bool:
    """Whether so many outcomes are worth a look: enough, and clearly more than at the last."""
    return outcomes >= max(settings.gate.outcomes_min, LOOK_GROWTH * entrant.outcomes)


def waiting(entrant: Entrant) -> Judged:
    """Return what is found of one that no look is due at."""
    return Judged(entrant, "waiting", NO_NEW_OUTCOMES if entrant.looks else TOO_FEW_OUTCOMES)


def _count(samples: Dataset, standing: Standing, champion: FrozenModel | None) -> int:
    frozen_ts = max(standing.model.frozen_ts, champion.frozen_ts if champion else 0)
    counted = (samples.ts > frozen_ts) & (samples.ts >= standing.entrant.opens_ts)
    return int(counted.sum())


def _found(entrant: Entrant, verdict: Verdict, settings: TrainSettings) -> Judged:
    figures = {name: f for name, f in verdict.figures.items() if np.isfinite(f)}
    if verdict.reason == TOO_FEW_OUTCOMES:
        return Judged(entrant, "waiting", verdict.reason, figures)
    if entrant.role == CANARY:
        word, reason = _canary(verdict, settings, entrant.looks)
        return Judged(entrant, word, reason, figures)
    if not verdict.promoted:
        return Judged(entrant, "failed", verdict.reason, figures)
    return Judged(entrant, "passed", PASSED.get(entrant.role, verdict.reason), figures)


def _canary(verdict: Verdict, settings: TrainSettings, looks: int) -> tuple[Word, str]:
    """The gate has shown its gain once: now it has to be there again."""
    f = verdict.figures
    # A champion that cannot be had any more is no bar: then it is the null model's.
    other = "champion" if "p_value_vs_champion" in f else "null"
    is_gain = min(f[f"log_loss_gain_vs_{other}"], f["log_loss_gain_vs_null"]) >= 0.0
    holds_elsewhere = all(
        f[f"{name}_vs_{other}"] >= -f[f"{error}_vs_{other}"]
        for name, error in (
            ("auc_gain", "auc_gain_error"),
            ("utility_gain_r", "utility_gain_error"),
        )
    )
    if verdict.promoted or (is_gain and holds_elsewhere):
        return "passed", CANARY_HELD
    if f[f"p_value_vs_{other}"] > 1.0 - alpha_of(settings.gate.alpha, looks):
        return "failed", CANARY_FAILED
    if f["gate_outcomes"] >= CANARY_WINDOWS_MAX * settings.gate.outcomes_min:
        return "failed", CANARY_UNPROVEN
    return "unproven", UNDECIDED
