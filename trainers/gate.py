"""The gate: a challenger comes into force only when it is shown to be better.

Both models were frozen before the window; both are judged on the same matured outcomes; errors
are clustered by day, or by as many days as trades are held. The null model (the base rate,
everything accepted) is always a candidate: whoever is not better than it is not deployed. And
whoever is better only by the level of its probabilities, because the market's base rate has moved,
has no skill either.

- Against a champion: one-sided p < alpha on paired log-loss, utility not worse than by one
  standard error, and the AUC must have risen, too: what only says the same ranking better is
  recalibration's to give.
- Against the null: it ranks, one-sided p < skill_alpha of an AUC above 1/2; it loses nothing in
  log-loss to the base rate, or to a constant at its own mean probability; and utility is not worse
  than by one standard error. In log-loss alone the same proof takes four times the outcomes: where
  log-odds vary by s, log-loss gains s^2 / 8 with an error of s / 2, half of what the ranking shows.
- Against a champion after a confirmed drift, the null turns: not worse than by a margin, with
  confidence 1 - alpha, is enough; the null must still be beaten.
- A later challenger of the same champion has a smaller level (`trainers.alpha_spending`) in the
  test that decides: against the champion, or against the null where there is none. Beside a
  champion, which must be beaten or has failed, skill is shown at the whole of its level each time:
  windows grow by half between attempts, and attempts end.
- A model that was only recalibrated ranks as it did: its ranking is not on trial again.
- With too few outcomes nothing is decided: the champion stays.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from trainers.alpha_spending import alpha_of
from trainers.metrics import Estimate, auc, auc_difference, clustered_mean, log_losses
from trainers.settings import GateSettings

TOO_FEW_OUTCOMES = "too_few_outcomes"
NOT_BETTER_THAN_NULL = "not_better_than_null"
NOT_BETTER_THAN_CHAMPION = "not_better_than_champion"
PROMOTED = "better"
PROMOTED_AFTER_DRIFT = "not_inferior_after_drift"

GAIN_MIN_NATS = 1e-6
"""What a gain must exceed: less is the rounding of a flat model, or between one and its graph."""

AUC_RISE_MIN = 0.005
"""What a challenger must gain in AUC over a champion. Where this was chosen, challengers of the
champion's own market that rank alike to .002 passed in 13 % of runs without it and in 10 % with
it, those better by .022 in 63 % and 61 %; on other markets: `tests/benchmarks/bench_promotion.py`.
"""

Floats = NDArray[np.float64]


class Window(NamedTuple):
    """The outcomes that judge, n of them: class, net R and the cluster that their errors share.

    `threshold` is the probability from which a signal is accepted, or None where the
    strategy's mode accepts everything: then models do not differ in utility.
    """

    y: NDArray[np.int8]
    r_multiple: Floats
    clusters: NDArray[np.int64]
    threshold: float | None = None


class Verdict(NamedTuple):
    """The gate's word: `figures` are plain numbers for the wire and the card."""

    promoted: bool
    reason: str
    figures: dict[str, float]


class Comparison(NamedTuple):
    """A challenger against one other on the same window; positive means better."""

    log_loss: Estimate
    auc: Estimate
    utility: Estimate

    def is_better(self, alpha: float) -> bool:
        """Whether log-loss is significantly better, and AUC and utility not worse by 1 SE."""
        is_gain = self.log_loss.value > GAIN_MIN_NATS
        is_certain = self.log_loss.p_value_above_zero() < alpha
        return is_gain and is_certain and self._holds_elsewhere()

    def is_not_inferior(self, alpha: float, margin: float) -> bool:
        """Whether log-loss is worse by less than `margin`, with confidence 1 - alpha."""
        gain, error, clusters, freedom = self.log_loss
        if clusters < 2 or not np.isfinite(error):
            return False
        lowest = gain + float(stdtrit(freedom, alpha)) * error
        return lowest > -margin and self._holds_elsewhere()

    def is_skill(self, alpha: float) -> bool:
        """Whether, against what ranks nothing, it ranks, and neither log-loss nor utility lose."""
        is_gain = self.log_loss.value > GAIN_MIN_NATS
        return is_gain and self.auc.p_value_above_zero() < alpha and self._holds_elsewhere()

    def _holds_elsewhere(self) -> bool:
        return all(e.value >= -e.error for e in (self.auc, self.utility))

    def figures(self, against: str) -> dict[str, float]:
        """Return the figures under names that end in `_vs_<against>`."""
        named = {
            "log_loss_gain": self.log_loss.value,
            "log_loss_gain_error": self.log_loss.error,
            "p_value": self.log_loss.p_value_above_zero(),
            "auc_gain": self.auc.value,
            "auc_gain_error": self.auc.error,
            "utility_gain_r": self.utility.value,
            "utility_gain_error": self.utility.error,
        }
        return {f"{name}_vs_{against}": value for name, value in named.items()}


def compare(
    window: Window, challenger: Floats, other: Floats, *, other_filters: bool
) -> Comparison:
    """Return the challenger's gains over `other`, probabilities float64[n] each.

    `other_filters` False: the other accepts every signal, as the null model does.
    """
    gains = log_losses(window.y, other) - log_losses(window.y, challenger)
    taken = _utility(window, challenger)
    held = _utility(window, other) if other_filters else window.r_multiple
    return Comparison(
        clustered_mean(gains, window.clusters),
        auc_difference(window.y, challenger, other, window.clusters),
        clustered_mean(taken - held, window.clusters),
    )


def judge(
    window: Window,
    challenger: Floats,
    null: Floats,
    champion: Floats | None,
    settings: GateSettings,
    *,
    is_after_drift: bool = False,
    challengers_before: int = 0,
) -> Verdict:
    """Return whether the challenger is promoted, why, and the figures; probabilities float64[n].

    `champion` None: no model is in force. `is_after_drift`: the champion is known to have lost
    its skill. `challengers_before` counts those that were judged beside the same champion.
    """
    figures = _window_figures(window, challenger, settings, challengers_before)
    before = challengers_before if champion is None else 0
    figures["skill_alpha"] = alpha_of(settings.skill_alpha, before)
    if is_too_small(window.y, settings):
        return Verdict(False, TOO_FEW_OUTCOMES, figures)
    against_null = compare(window, challenger, null, other_filters=False)
    level = _gain_over_own_level(window, challenger)
    figures |= against_null.figures("null") | {
        "log_loss_gain_vs_level": level.value,
        # Of the test that decides against the null model: whether it ranks.
        "p_value_vs_null": against_null.auc.p_value_above_zero(),
    }
    against_champion = None
    if champion is not None:
        against_champion = compare(window, challenger, champion, other_filters=True)
        figures |= {"champion_auc": auc(window.y, champion)} | against_champion.figures("champion")
    if settings.rule == "auc_improvement":
        return _plain(against_champion, figures, settings)
    if not (level.value > GAIN_MIN_NATS and against_null.is_skill(figures["skill_alpha"])):
        return Verdict(False, NOT_BETTER_THAN_NULL, figures)
    if against_champion is None:
        return Verdict(True, PROMOTED, figures)
    if against_champion.is_better(figures["alpha"]) and against_champion.auc.value >= AUC_RISE_MIN:
        return Verdict(True, PROMOTED, figures)
    if is_after_drift and against_champion.is_not_inferior(settings.alpha, settings.margin_nats):
        return Verdict(True, PROMOTED_AFTER_DRIFT, figures)
    return Verdict(False, NOT_BETTER_THAN_CHAMPION, figures)


def judge_recalibrated(
    window: Window,
    recalibrated: Floats,
    null: Floats,
    champion: Floats,
    settings: GateSettings,
    *,
    challengers_before: int = 0,
) -> Verdict:
    """Return whether the champion's own ranking under new probabilities is promoted.

    It must have a better log-loss than the champion at the level that is left, a utility not
    worse by one standard error, and lose nothing to the null model. That its ranking has skill was
    shown when the champion was promoted, and is watched by the ranking detectors.
    """
    figures = _window_figures(window, recalibrated, settings, challengers_before)
    if is_too_small(window.y, settings):
        return Verdict(False, TOO_FEW_OUTCOMES, figures)
    against_null = compare(window, recalibrated, null, other_filters=False)
    against = compare(window, recalibrated, champion, other_filters=True)
    figures |= {"champion_auc": auc(window.y, champion)}
    figures |= against_null.figures("null") | against.figures("champion")
    if against_null.log_loss.value <= 0.0:
        return Verdict(False, NOT_BETTER_THAN_NULL, figures)
    is_promoted = (
        against.log_loss.value > GAIN_MIN_NATS
        and against.log_loss.p_value_above_zero() < figures["alpha"]
        and against.utility.value >= -against.utility.error
    )
    return Verdict(is_promoted, PROMOTED if is_promoted else NOT_BETTER_THAN_CHAMPION, figures)


def is_too_small(y: NDArray[np.int8], settings: GateSettings) -> bool:
    """Whether a window of outcomes `y` is too small to decide anything."""
    ones = int(y.sum())
    return y.size < settings.outcomes_min or min(ones, y.size - ones) < settings.class_min


def _plain(
    against_champion: Comparison | None, figures: dict[str, float], settings: GateSettings
) -> Verdict:
    """The plain rule: a better AUC by `auc_gain_min`, than the champion's or than that of none."""
    if against_champion is None:
        gain, otherwise = figures["gate_auc"] - 0.5, NOT_BETTER_THAN_NULL
    else:
        gain, otherwise = against_champion.auc.value, NOT_BETTER_THAN_CHAMPION
    is_promoted = gain > settings.auc_gain_min
    return Verdict(is_promoted, PROMOTED if is_promoted else otherwise, figures)


def _gain_over_own_level(window: Window, challenger: Floats) -> Estimate:
    level = np.full(window.y.size, challenger.mean())
    gains = log_losses(window.y, level) - log_losses(window.y, challenger)
    return clustered_mean(gains, window.clusters)


def _utility(window: Window, probability: Floats) -> Floats:
    """Net R per signal of taking what is accepted: 0 for what is not."""
    if window.threshold is None:
        return window.r_multiple
    return np.where(probability >= window.threshold, window.r_multiple, 0.0)


def _window_figures(
    window: Window, challenger: Floats, settings: GateSettings, challengers_before: int
) -> dict[str, float]:
    return {
        "alpha": alpha_of(settings.alpha, challengers_before),
        "challengers_before": float(challengers_before),
        "gate_outcomes": float(window.y.size),
        "gate_clusters": float(np.unique(window.clusters).size),
        "gate_base_rate": float(window.y.mean()) if window.y.size else 0.0,
        "gate_auc": auc(window.y, challenger),
        "gate_log_loss": float(log_losses(window.y, challenger).mean()) if window.y.size else 0.0,
    }
