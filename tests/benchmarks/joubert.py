"""The market of Joubert (2022), "Meta-Labeling: Theory and Framework", and what can be known of it.

Returns are an AR(3). In the single regime its law never changes; in the dual regime each block of
BLOCK_STEPS steps begins anew and has, with probability OTHER_SHARE, all coefficients reversed and
a small drift. The primary model is long after a return above zero; whether the next return is at
least zero is the outcome that a meta-model has to tell. Which regime holds is told to nobody.

`features` sees returns alone, up to and including its own step:

    r0 r1 r2      the last three returns, over their deviation of late
    forecast      of the next return, by the coefficients fitted to all steps so far, over the same
    evidence_h    how far the forecasts of late steps went with what came: tanh of half the log
                  likelihood ratio of "as fitted" against "reversed", forgotten with half-life h
    directed_h    forecast · evidence_h: trees see products badly

An AR fitted to both regimes at once is of neither. It is therefore fitted PASSES times again, each
step signed by the evidence before it; what comes out may be either regime, the product is the same.
All features are bounded: the input guard silences the model on the hundredth of rows that are
farthest out, and unbounded evidence makes those the ones of which it is surest. The set was chosen
on seeds 1000 to 1029; what is reported is of seeds 0 to 19, on which an earlier set with unbounded
evidence had 1.68 in the dual regime.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from trainers.dataset import DAY_NS, Dataset
from trainers.splits import closed_before

Regimes = Literal["single", "dual"]
Floats = NDArray[np.float64]

COEFFICIENTS = np.array([0.25, -0.20, 0.35])
DEVIATION = 0.014543365
FIRST_LAGS = (0.032, 0.020, -0.042)
STEPS = 10_000
BLOCK_STEPS = 30
OTHER_SHARE = 0.2
OTHER_DRIFT = -1e-4
TRAINING_SHARE = 0.6
STEPS_PER_YEAR = 252

LAGS = 3
HALF_LIVES = (4, 8, 16)
PASSES = 2
PASS_HALF_LIFE = 10
DEVIATION_HALF_LIFE = 20
DEVIATION_FLOOR = 0.05
LAG_MAX = 2.5
FORECAST_MAX = 0.5
RIDGE_STEPS = 100.0
WARM_UP_STEPS = 100
LAG_NAMES = tuple(f"r{lag}" for lag in range(LAGS))

START_TS = 1_262_304_000_000_000_000  # 2010-01-01


class Market(NamedTuple):
    """One return per step, and which steps are reversed (for the oracle and the tests alone)."""

    returns: Floats
    is_reversed: NDArray[np.bool_]


class Trial(NamedTuple):
    """A market cut in time: what trains, and all later steps with their primary signals.

    `x` float32[n, k] are the features of the n test steps, `next_returns` what came after each,
    `is_long` whether the primary model is in the market.
    """

    training: Dataset
    x: NDArray[np.float32]
    next_returns: Floats
    is_long: NDArray[np.bool_]

    def sharpe(self, accepted: NDArray[np.bool_]) -> float:
        """The yearly Sharpe ratio of the primary model where it is `accepted`, bool[n]."""
        return sharpe_ratio(np.where(accepted & self.is_long, self.next_returns, 0.0))


def draw(regimes: Regimes, seed: int, steps: int = STEPS) -> Market:
    rng = np.random.default_rng(seed)
    if regimes == "single":
        return Market(_block(rng, 1.0, steps), np.zeros(steps, dtype=np.bool_))
    blocks, reverses = [], []
    for _ in range(-(-steps // BLOCK_STEPS)):
        reverses.append(bool(rng.random() < OTHER_SHARE))
        blocks.append(_block(rng, -1.0 if reverses[-1] else 1.0, BLOCK_STEPS))
    is_reversed = np.repeat(np.array(reverses), BLOCK_STEPS)
    return Market(np.concatenate(blocks)[:steps], is_reversed[:steps])


def _block(rng: np.random.Generator, sign: float, steps: int) -> Floats:
    returns = np.concatenate((FIRST_LAGS[::-1], DEVIATION * rng.standard_normal(steps)))
    if sign < 0:
        returns[LAGS:] += OTHER_DRIFT
    backwards = sign * COEFFICIENTS[::-1]
    for step in range(LAGS, returns.size):
        returns[step] += backwards @ returns[step - LAGS : step]
    return returns[LAGS:]


def sharpe_ratio(returns: Floats) -> float:
    """Mean over deviation by the root of STEPS_PER_YEAR; 0 where nothing moves."""
    deviation = float(returns.std())
    return float(returns.mean()) / deviation * STEPS_PER_YEAR**0.5 if deviation > 0.0 else 0.0


def features(returns: Floats) -> dict[str, Floats]:
    """Return every feature at every step, float64[n] each, from returns up to that step."""
    variance = np.cumsum(returns**2) / np.arange(1, returns.size + 1)
    lagged = np.stack([_shifted(returns, lag) for lag in range(LAGS)], axis=1)
    coefficients = _fitted_so_far(lagged, returns, np.ones(returns.size))
    for _ in range(PASSES):
        forecast = (lagged * coefficients).sum(axis=1)
        signs = _evidence(forecast, returns, variance, PASS_HALF_LIFE)
        coefficients = _fitted_so_far(lagged, returns, signs)
    forecast = (lagged * coefficients).sum(axis=1)
    late = _forgetting(returns**2, DEVIATION_HALF_LIFE) / _weight_of(DEVIATION_HALF_LIFE)
    deviation = np.sqrt(late + DEVIATION_FLOOR * variance)
    scaled = np.clip(lagged / deviation[:, None], -LAG_MAX, LAG_MAX)
    found = {name: scaled[:, lag] for lag, name in enumerate(LAG_NAMES)}
    found["forecast"] = np.clip(forecast / deviation, -FORECAST_MAX, FORECAST_MAX)
    for half_life in HALF_LIVES:
        evidence = _evidence(forecast, returns, variance, half_life)
        found[f"evidence_{half_life}"] = evidence
        found[f"directed_{half_life}"] = found["forecast"] * evidence
    return found


def _shifted(values: Floats, steps: int) -> Floats:
    return np.concatenate((np.zeros(steps), values))[: values.size]


def _fitted_so_far(lagged: Floats, returns: Floats, signs: Floats) -> Floats:
    """At each step, the ridge AR of all returns up to it on their signed lags, float64[n, LAGS]."""
    before = _rows_before(lagged * signs[:, None])
    gram = np.cumsum(before[:, :, None] * before[:, None, :], axis=0)
    moment = np.cumsum(before * returns[:, None], axis=0)
    variance = np.cumsum(returns**2) / np.arange(1, returns.size + 1)
    ridge = RIDGE_STEPS * variance[:, None, None] * np.eye(LAGS)
    return np.linalg.solve(gram + ridge, moment[:, :, None])[:, :, 0]


def _rows_before(rows: Floats) -> Floats:
    return np.concatenate((np.zeros((1, rows.shape[1])), rows[:-1]))


def _evidence(forecast: Floats, returns: Floats, variance: Floats, half_life: int) -> Floats:
    agreement = returns * _shifted(forecast, 1) / variance
    return np.tanh(_forgetting(agreement, half_life))


def _forgetting(values: Floats, half_life: int) -> Floats:
    """The sum of all values so far, each halved `half_life` steps after it."""
    return np.asarray(lfilter([1.0], [1.0, -(0.5 ** (1.0 / half_life))], values))


def _weight_of(half_life: int) -> float:
    """What `_forgetting` makes of ones that never end."""
    return 1.0 / (1.0 - 0.5 ** (1.0 / half_life))


def trial_of(returns: Floats, names: tuple[str, ...] = ()) -> Trial:
    """Return the first TRAINING_SHARE of a market's signals as samples, and the steps after it.

    `names`: which features (none: all). A label that is not closed before the first test step is
    in neither.
    """
    found = features(returns)
    names = names or tuple(found)
    x = np.stack([found[name] for name in names], axis=1).astype(np.float32)
    steps = np.arange(WARM_UP_STEPS, returns.size - 1)
    tested = steps[int(TRAINING_SHARE * steps.size) :]
    signals = steps[returns[steps] > 0.0]
    known = closed_before(_close_ts(signals + 1), int(_close_ts(tested[:1])[0]))
    return Trial(
        training=_dataset(names, signals[known], x, returns),
        x=x[tested],
        next_returns=returns[tested + 1],
        is_long=returns[tested] > 0.0,
    )


def _close_ts(steps: NDArray[np.int64]) -> NDArray[np.int64]:
    return START_TS + steps * DAY_NS


def _dataset(
    names: tuple[str, ...], steps: NDArray[np.int64], x: NDArray[np.float32], returns: Floats
) -> Dataset:
    return Dataset(
        names=names,
        signal_ids=np.array([f"s-{step:06d}" for step in steps.tolist()]),
        symbols=np.full(steps.size, "AR3"),
        ts=_close_ts(steps),
        entry_ts=_close_ts(steps) + DAY_NS // 2,
        exit_ts=_close_ts(steps + 1),
        x=np.ascontiguousarray(x[steps]),
        y=(returns[steps + 1] >= 0.0).astype(np.int8),
        r_multiple=returns[steps + 1] / DEVIATION,
    )
