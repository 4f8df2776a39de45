"""Markets without any edge: whatever is selected on them is worth nothing, and must say so."""

import numpy as np
from numpy.typing import NDArray

from engine.backtests.bar_history import BarHistory
from trainers.dataset import DAY_NS

START_TS = 1_262_379_600_000_000_000  # 2010-01-01, 21:00 UTC
VOLATILITY = 0.012
STEPS_PER_BAR = 16


def random_walk_history(
    seed: int, symbols: int = 3, bars: int = 1_000, *, volatility: float = VOLATILITY
) -> BarHistory:
    """Daily bars of independent driftless random walks: a fair price at every step of every bar.

    The price is a continuous martingale within the bar and jumps over the night, so that no
    stop, target or fill at the next open has an expected gain; highs and lows are those of the
    continuous path, by the law of a Brownian bridge's maximum.
    """
    rng = np.random.default_rng(seed)
    step = volatility / np.sqrt(STEPS_PER_BAR)
    shape = (symbols, bars, STEPS_PER_BAR)
    moves = step * rng.standard_normal(shape) - step**2 / 2.0
    path = np.cumsum(moves.reshape(symbols, -1), axis=1).reshape(shape)
    # The first step is the night before the open; between steps the walk goes on unseen.
    before, after = path[:, :, :-1], path[:, :, 1:]
    reach = [
        np.sqrt((after - before) ** 2 - 2.0 * step**2 * np.log(1.0 - rng.random(after.shape)))
        for _ in range(2)
    ]
    values = np.empty((symbols, bars, 5))
    values[:, :, 0], values[:, :, 3] = path[:, :, 0], path[:, :, -1]
    values[:, :, 1] = ((before + after + reach[0]) / 2.0).max(axis=2)
    values[:, :, 2] = ((before + after - reach[1]) / 2.0).min(axis=2)
    values[:, :, :4] = 100.0 * np.exp(values[:, :, :4])
    values[:, :, 4] = rng.integers(100_000, 200_000, (symbols, bars))
    return BarHistory(
        symbols=tuple(f"W{number:03d}" for number in range(symbols)),
        interval="1d",
        starts=np.arange(symbols + 1, dtype=np.int64) * bars,
        ts=np.tile(START_TS + np.arange(bars, dtype=np.int64) * DAY_NS, symbols),
        values=values.reshape(-1, 5),
    )


def noise_trials(
    seed: int, trials: int = 60, *, bars: int = 1_000, symbols: int = 3
) -> NDArray[np.float64]:
    """Returns (bars - 1, trials) of random strategies on random walks, without costs.

    Each strategy is in the market by a persistent coin of its own, long or short, decided at the
    close before: a search space whose every point is worthless.
    """
    history = random_walk_history(seed, symbols, bars)
    closes = history.values[:, 3].reshape(symbols, bars)
    moves = closes[:, 1:] / closes[:, :-1] - 1.0
    rng = np.random.default_rng([seed, trials])
    mood = rng.standard_normal((trials, symbols, bars - 1))
    for bar in range(1, bars - 1):
        mood[:, :, bar] = 0.9 * mood[:, :, bar - 1] + 0.436 * mood[:, :, bar]
    sides = np.sign(mood) * (np.abs(mood) > 0.5)
    mean: NDArray[np.float64] = np.einsum("ksb,sb->bk", sides, moves) / symbols
    return mean
