"""From which probability a signal is worth taking, by what it costs to be wrong.

- `break_even`: p = L / (W + L), where a trade of mean win W and mean loss L, net of costs, earns
  nothing. Two means decide it and no search, so no luck is picked.
- `utility`: the threshold that would have earned most net R per signal, what is rejected
  earning 0, on out-of-fold outcomes; then the lowest whose shortfall is within one standard error,
  clustered by day. Right also where what is won or lost depends on the probability.

Break-even is the default because it measures better out of sample: on Layer A with six payoffs
(wins of .6 to 2.5 R, also such that depend on the probability), ridge logistic, seeds 0-49, net R
per signal at 500 / 2,000 samples is .124 / .140 at a Bayes AUC of .62, where the search makes
.103 / .132 and taking all .040; at .70 it is .175 / .195 against .160 / .189. Only where the best
signals also win most does a search without errors to give up come out ahead, by .011 at most. On
pure noise that loses, the search takes 54 to 87 % of the signals, break-even 0 to 28 %.
"""

from typing import Annotated, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.errors import DataError
from trainers.metrics import clustered

CANDIDATES_MAX = 101

Floats = NDArray[np.float64]
Rule = Literal["break_even", "utility"]


class ThresholdSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the threshold is found.

    A searched threshold accepts `accepted_min` outcomes or more, all where there are fewer; it
    gives up `errors` standard errors of the best utility to accept more.
    """

    rule: Rule = "break_even"
    accepted_min: Annotated[int, msgspec.Meta(ge=1)] = 30
    errors: Annotated[float, msgspec.Meta(ge=0.0)] = 1.0


DEFAULT = ThresholdSettings()


class UtilityCurve(NamedTuple):
    """What each candidate threshold would have earned, ascending float64[m], m <= CANDIDATES_MAX.

    `utility_r` is net R per signal, `error` its standard error clustered by day (infinite on one
    day), `shortfall_error` that of the best candidate's lead over this one.
    """

    threshold: Floats
    accepted_share: Floats
    utility_r: Floats
    error: Floats
    shortfall_error: Floats


class Threshold(NamedTuple):
    """Signals of a probability of `value` or more are taken.

    `accepted_share`, `utility_r` (net R per signal) and its `error`, clustered by day, are those of
    the outcomes that it was found on: weighted, and flattering where it was searched.
    `break_even` and `searched` are what either rule says.
    """

    value: float
    rule: Rule
    accepted_share: float
    utility_r: float
    error: float
    break_even: float
    searched: float
    curve: UtilityCurve


def choose_threshold(
    probability: Floats,
    r_multiple: Floats,
    days: NDArray[np.int64],
    weights: Floats,
    settings: ThresholdSettings = DEFAULT,
    *,
    y: NDArray[np.int8] | None = None,
) -> Threshold:
    """Return the threshold by `settings.rule`, from calibrated out-of-fold probabilities.

    `probability`, `r_multiple` (net of costs) and `weights` > 0 float64[n], `days` int64[n]. `y`
    int8[n] are the outcomes that the probability is of; None: those that earned. Raises DataError
    without outcomes, and for a probability or an R that is not finite.
    """
    _check(probability, r_multiple)
    won = r_multiple > 0.0 if y is None else y == 1
    even = break_even(won, r_multiple, weights)
    curve = utility_curve(probability, r_multiple, days, weights, settings.accepted_min)
    searched = _searched(curve, settings)
    value = even if settings.rule == "break_even" else searched
    taken = probability >= value
    earned = np.where(taken, r_multiple, 0.0)
    scaled = weights / weights.mean()
    utility = float(np.average(earned, weights=weights))
    return Threshold(
        value=value,
        rule=settings.rule,
        accepted_share=float(np.average(taken, weights=weights)),
        utility_r=utility,
        error=clustered(utility, scaled * (earned - utility) / earned.size, days).error,
        break_even=even,
        searched=searched,
        curve=curve,
    )


def break_even(won: NDArray[np.bool_], r_multiple: Floats, weights: Floats) -> float:
    """Return L / (W + L) in [0, 1], W and L the weighted mean win and loss.

    0, take everything, where even the losers earn, or there are none and so nothing is known
    against a signal; 1, take nothing, where even the winners lose, or there are none to win it
    back.

    >>> won = np.array([True, False])
    >>> break_even(won, np.array([1.98, -1.02]), np.ones(2))
    0.34
    """
    if won.all():
        return 0.0
    win = float(np.average(r_multiple[won], weights=weights[won])) if won.any() else 0.0
    loss = -float(np.average(r_multiple[~won], weights=weights[~won]))
    if loss <= 0.0:
        return 0.0
    return loss / (win + loss) if win > 0.0 else 1.0


def utility_curve(
    probability: Floats,
    r_multiple: Floats,
    days: NDArray[np.int64],
    weights: Floats,
    accepted_min: int = 1,
) -> UtilityCurve:
    """Return the utility of accepting all, and from each of the probabilities' quantiles on.

    Candidates that accept fewer than `accepted_min` are left out, but for accepting all.
    """
    highest = np.sort(probability)[max(0, probability.size - accepted_min)]
    quantiles = np.quantile(probability, np.linspace(0.0, 1.0, CANDIDATES_MAX)[1:], method="higher")
    grid = np.unique(np.append(0.0, quantiles[quantiles <= highest]))
    total = float(weights.sum())
    reached = np.searchsorted(grid, probability, side="right") - 1
    names, day_of = np.unique(days, return_inverse=True)
    cell = day_of * grid.size + reached

    def from_each(values: Floats) -> Floats:
        """Sums by day of the rows that each candidate accepts, float64[days, m]."""
        sums = np.bincount(cell, weights=values, minlength=names.size * grid.size)
        by_day = sums.reshape(names.size, -1).astype(np.float64)
        return np.cumsum(by_day[:, ::-1], axis=1)[:, ::-1]

    accepted_weight = from_each(weights)
    earned = from_each(weights * r_multiple)
    of_day = accepted_weight[:, 0]
    utility = earned.sum(axis=0) / total
    best = int(utility.argmax())
    return UtilityCurve(
        threshold=grid,
        accepted_share=accepted_weight.sum(axis=0) / total,
        utility_r=utility,
        error=_errors(earned, of_day),
        shortfall_error=_errors(earned[:, [best]] - earned, of_day),
    )


def _searched(curve: UtilityCurve, settings: ThresholdSettings) -> float:
    """Return the lowest threshold whose shortfall of the best is within the errors given up."""
    shortfall = curve.utility_r.max() - curve.utility_r
    near = shortfall <= settings.errors * curve.shortfall_error
    return float(curve.threshold[int(np.argmax(near))])


def _errors(by_day: Floats, weight_of_day: Floats) -> Floats:
    """The day-clustered errors of weighted means of which `by_day` float64[days, m] are sums."""
    count, total = weight_of_day.size, float(weight_of_day.sum())
    if count < 2:
        return np.full(by_day.shape[1], np.inf)
    means = by_day.sum(axis=0) / total
    influence = (by_day - weight_of_day[:, None] * means) / total
    errors: Floats = np.sqrt((influence**2).sum(axis=0) * count / (count - 1))
    return errors


def _check(probability: Floats, r_multiple: Floats) -> None:
    if not probability.size:
        raise DataError(
            "a threshold needs 1 outcome or more, was given 0: train on samples that some fold "
            "predicted"
        )
    for name, values in (("probability", probability), ("r_multiple", r_multiple)):
        wrong = int((~np.isfinite(values)).sum())
        if wrong:
            raise DataError(
                f"{name} must be finite, was not in {wrong} of {values.size} outcomes: leave out "
                "what no fold predicted or what is still open"
            )
