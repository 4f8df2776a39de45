"""What a model's probability does to a signal: the prediction modes, and what stands in for them.

    mode                final score                    accepted
    score_enhancement   (1 - w)·score + w·probability  always
    filter              score                          probability >= threshold
    replace             probability                    always
    observe             score                          always; the probability is told
    pass_through        score                          always; the probability is null
    block               score                          never

`w` is `ml_weight`; `enhance` is another name of `score_enhancement`. Who decides which row it
is, the first that applies:

1. a policy of the operator or the trainer: `block` and `pass_through` in every case, `observe`
   in place of the configured mode where a model speaks;
2. `ml.enabled: false`: pass_through, reason `disabled`;
3. no probability: the configured `fallback`, with the reasons why nobody spoke;
4. the configured mode.

Reasons stand in that order: `policy:<action>`, `disabled` or why there is no probability, or
`canary` where a model spoke beside the one in force, then `below_threshold` where the filter
rejects.
"""

from typing import Literal, NamedTuple

from models.settings import Fallback, MlSettings
from streams.events import REASONS_MAX

Acting = Literal["score_enhancement", "filter", "replace", "observe", "pass_through", "block"]

DISABLED = "disabled"
NO_MODEL = "no_model"
CANARY = "canary"
BELOW_THRESHOLD = "below_threshold"


class Decision(NamedTuple):
    """What becomes of a signal.

    `final_score` in [0, 1]; `mode` is the row that acted; `probability` is None in
    pass_through and block; `threshold` and `weight` are the configured ones.
    """

    final_score: float
    accepted: bool
    mode: Acting
    probability: float | None
    threshold: float
    weight: float
    reasons: tuple[str, ...]


def decide(
    settings: MlSettings,
    score: float,
    probability: float | None,
    reasons: tuple[str, ...] = (),
    policy: str | None = None,
) -> Decision:
    """Decide a signal of technical `score` in [0, 1].

    `probability` in [0, 1] is the model's, or None with the `reasons` why nobody spoke.
    `policy` is the action in force: observe, pass_through, block, or None.

    >>> decide(MlSettings(prediction_mode="enhance"), 0.5, 0.75).final_score
    0.575
    >>> decide(MlSettings(), 0.5, 0.25).reasons
    ('below_threshold',)
    """
    said: tuple[str, ...] = (f"policy:{policy}",) if policy else ()
    if policy in ("block", "pass_through"):
        why = reasons if probability is None else ()
        standing: Fallback = "block" if policy == "block" else "pass_through"
        return _unscored(settings, score, standing, said + why)
    if not settings.enabled:
        return _unscored(settings, score, "pass_through", (*said, DISABLED))
    if probability is None:
        return _unscored(settings, score, settings.fallback, said + (reasons or (NO_MODEL,)))
    mode: Acting = "observe" if policy else canonical(settings)
    final, accepted = _applied(mode, settings, score, probability)
    said += reasons if accepted else (*reasons, BELOW_THRESHOLD)
    return Decision(
        final,
        accepted,
        mode,
        probability,
        settings.confidence_threshold,
        settings.ml_weight,
        said[:REASONS_MAX],
    )


def canonical(settings: MlSettings) -> Acting:
    """Return the configured mode by its name on the wire."""
    mode = settings.prediction_mode
    return "score_enhancement" if mode == "enhance" else mode


def _applied(
    mode: Acting, settings: MlSettings, score: float, probability: float
) -> tuple[float, bool]:
    if mode == "score_enhancement":
        weight = settings.ml_weight
        blend = (1.0 - weight) * score + weight * probability
        # A blend lies between its parts; rounding must not carry it out of them.
        low, high = min(score, probability), max(score, probability)
        return min(max(blend, low), high), True
    if mode == "filter":
        return score, probability >= settings.confidence_threshold
    if mode == "replace":
        return probability, True
    return score, True


def _unscored(
    settings: MlSettings,
    score: float,
    mode: Fallback,
    reasons: tuple[str, ...],
) -> Decision:
    return Decision(
        score,
        mode == "pass_through",
        mode,
        None,
        settings.confidence_threshold,
        settings.ml_weight,
        reasons[:REASONS_MAX],
    )
