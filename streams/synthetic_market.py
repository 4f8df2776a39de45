"""Layer B of the test bed: bars whose signals win with a known probability.

Each symbol has at most one open signal. A signal carries the 40 features of a Layer A sample and
a stop `a` below its price; its trade, entered at the next open, wins at +a and loses at −a. While
it is open the price drifts by σ²η / (2a′) a step, a′ = a + .5826 σ for looking only at steps,
so that P(+a first) = σ(η), where η is the sample's log-odds. Shocks of one instant share a factor
(a one-factor copula), which makes outcomes overlap without moving any signal's own probability.

Samples are handed out in time order, so a drift is planted at an exact signal. The model of it
all that is to be found is `samples.score`; the AUC that it reaches is known.

>>> market = simulate(MarketSettings(seed=1, symbols=2, signals=10, warm_up_bars=5))
>>> len(market.signal_instant), bool((market.exit_instant > market.signal_instant).all())
(10, True)
"""

from collections.abc import Iterator
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams import layer_a
from streams.errors import ConfigError
from streams.events import Bar, Signal

STRATEGY = "synthetic"
SCORE = 0.5
START_NS = 946_684_800_000_000_000
START_PRICE = 100.0
STEPS_PER_BAR = 4
DISCRETE_STEP = 0.5826
MEAN_VOLUME = 1e6
VOLUME_SPREAD = 0.25
BARS_PER_SYMBOL_MAX = 2_000_000

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class MarketSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What market to make.

    `bayes_auc` is the AUC of the best model, .56, .62 or .70. From signal `drift_at` on, the law
    is the drifted one. A bar moves by `bar_volatility` of the price at the last signal; the
    barrier stands `barrier_sigmas` such moves away. `correlation` is that of two symbols' shocks.
    No signal comes in the first `warm_up_bars`, in which every feature converges, nor in the
    `rest_bars` behind a closed trade.
    """

    seed: Annotated[int, msgspec.Meta(ge=0)] = 1
    symbols: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 20
    signals: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 5_000
    bayes_auc: float = 0.62
    drift: layer_a.Drift = "NONE"
    drift_at: Annotated[int, msgspec.Meta(ge=0)] = 0
    correlation: Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)] = 0.0
    bar_volatility: Annotated[float, msgspec.Meta(gt=0.0, le=0.03)] = 0.01
    barrier_sigmas: Annotated[float, msgspec.Meta(ge=1.0, le=6.0)] = 2.0
    warm_up_bars: Annotated[int, msgspec.Meta(ge=0)] = 520
    rest_bars: Annotated[int, msgspec.Meta(ge=0)] = 1


class Market(NamedTuple):
    """Bars (instants, symbols, 5: open, high, low, close, volume), signals in order, and the truth.

    Signal k comes at the close of bar `signal_instant[k]` of symbol `signal_symbol[k]`; its trade
    closes within bar `exit_instant[k]`, won when `won[k]` is 1. `samples` holds the probabilities.
    """

    settings: MarketSettings
    names: tuple[str, ...]
    bars: Floats
    signal_instant: Ints
    signal_symbol: Ints
    signal_price: Floats
    signal_stop: Floats
    exit_instant: Ints
    won: Ints
    samples: layer_a.Samples


class _Trades:
    """The open trade of every symbol, -1 where there is none, and the log of all of them."""

    def __init__(self, settings: MarketSettings) -> None:
        count = settings.signals
        self.open = np.full(settings.symbols, -1)
        self.rest_until = np.full(settings.symbols, settings.warm_up_bars - 1)
        self.handed_out = 0
        self.instant = np.zeros(count, dtype=np.int64)
        self.symbol = np.zeros(count, dtype=np.int64)
        self.price = np.zeros(count)
        self.exit_instant = np.zeros(count, dtype=np.int64)
        self.won = np.zeros(count, dtype=np.int64)


def simulate(settings: MarketSettings) -> Market:
    """Return the market of `settings`; the same settings give the same bits.

    Raises ConfigError for a `bayes_auc` that is not .56, .62 or .70.
    """
    if settings.bayes_auc not in layer_a.SLOPES:
        raise ConfigError(
            f"bayes_auc must be one of {', '.join(map(str, layer_a.SLOPES))}, "
            f"was {settings.bayes_auc}"
        )
    samples_rng, shocks_rng = np.random.default_rng(settings.seed).spawn(2)
    samples = layer_a.draw(
        samples_rng,
        settings.signals,
        bayes_auc=settings.bayes_auc,
        drift=settings.drift,
        drift_at=settings.drift_at,
    )
    trades = _Trades(settings)
    price = np.full(settings.symbols, START_PRICE)
    scale = price * settings.bar_volatility
    bars: list[Floats] = []
    while trades.handed_out < settings.signals or (trades.open >= 0).any():
        if len(bars) >= BARS_PER_SYMBOL_MAX:
            raise ConfigError(f"these settings need more than {BARS_PER_SYMBOL_MAX} bars")
        bar = _next_bar(shocks_rng, settings, trades.open, price, scale, samples)
        _close_trades(settings, trades, bar, scale, len(bars))
        price = bar[:, 3]
        bars.append(bar)
        _open_trades(settings, trades, price, scale, len(bars) - 1)
    width = len(str(settings.symbols - 1))
    return Market(
        settings=settings,
        names=tuple(f"SYN{i:0{width}d}" for i in range(settings.symbols)),
        bars=np.stack(bars),
        signal_instant=trades.instant,
        signal_symbol=trades.symbol,
        signal_price=trades.price,
        signal_stop=trades.price * (1.0 - settings.barrier_sigmas * settings.bar_volatility),
        exit_instant=trades.exit_instant,
        won=trades.won,
        samples=samples,
    )


def market_instants(market: Market, interval: str, step_ns: int) -> Iterator[list[Bar | Signal]]:
    """Yield the bars of one instant in symbol order, then the signals made on them.

    The first bar closes `step_ns` after 2000-01-01 00:00 UTC, each later one as long after.
    """
    ends = np.searchsorted(market.signal_instant, np.arange(len(market.bars)), side="right")
    begin = 0
    for instant, (bars, end) in enumerate(zip(market.bars, ends.tolist(), strict=True)):
        ts = START_NS + (instant + 1) * step_ns
        events: list[Bar | Signal] = [
            Bar(name, interval, ts, *values)
            for name, values in zip(market.names, bars.tolist(), strict=True)
        ]
        events += [signal_of(market, number, interval, ts) for number in range(begin, end)]
        yield events
        begin = end


def signal_id(number: int) -> str:
    """Return the id of signal `number`, from 0."""
    return f"{STRATEGY}-{number:06d}"


def signal_of(market: Market, number: int, interval: str, ts: int) -> Signal:
    """Return signal `number` of a market, made on the bar that closed at `ts`."""
    features = market.samples.features[number].tolist()
    return Signal(
        signal_id=signal_id(number),
        strategy=STRATEGY,
        symbol=market.names[market.signal_symbol[number]],
        interval=interval,
        ts=ts,
        side=1,
        score=SCORE,
        price=float(market.signal_price[number]),
        stop=float(market.signal_stop[number]),
        features=dict(zip(layer_a.FEATURE_NAMES, features, strict=True)),
    )


def _next_bar(
    rng: np.random.Generator,
    settings: MarketSettings,
    open_trades: Ints,
    price: Floats,
    scale: Floats,
    samples: layer_a.Samples,
) -> Floats:
    """Return the next bar of every symbol (symbols, 5), each opening at its last close."""
    own = rng.standard_normal((STEPS_PER_BAR, settings.symbols))
    shared = rng.standard_normal((STEPS_PER_BAR, 1))
    rho = settings.correlation
    shocks = np.sqrt(rho) * shared + np.sqrt(1.0 - rho) * own
    sigma = scale / np.sqrt(STEPS_PER_BAR)
    barrier = settings.barrier_sigmas * scale
    log_odds = np.where(open_trades >= 0, samples.log_odds[open_trades], 0.0)
    drift = sigma**2 * log_odds / (2.0 * (barrier + DISCRETE_STEP * sigma))
    path = price + np.cumsum(drift + sigma * shocks, axis=0)
    volume = MEAN_VOLUME * np.exp(VOLUME_SPREAD * rng.standard_normal(settings.symbols))
    high, low = np.maximum(price, path.max(axis=0)), np.minimum(price, path.min(axis=0))
    return np.stack([price, high, low, path[-1], volume], axis=1)


def _close_trades(
    settings: MarketSettings, trades: _Trades, bar: Floats, scale: Floats, instant: int
) -> None:
    """Close what touched a barrier; where a bar touched both, the stop came first."""
    symbols = np.flatnonzero(trades.open >= 0)
    numbers = trades.open[symbols]
    entry, distance = trades.price[numbers], settings.barrier_sigmas * scale[symbols]
    lost = bar[symbols, 2] <= entry - distance
    is_closed = lost | (bar[symbols, 1] >= entry + distance)
    trades.exit_instant[numbers[is_closed]] = instant
    trades.won[numbers[is_closed]] = ~lost[is_closed]
    trades.open[symbols[is_closed]] = -1
    trades.rest_until[symbols[is_closed]] = instant + settings.rest_bars


def _open_trades(
    settings: MarketSettings, trades: _Trades, price: Floats, scale: Floats, instant: int
) -> None:
    """Give the next samples to the symbols that are free, in symbol order."""
    is_free = (trades.open < 0) & (trades.rest_until <= instant)
    symbols = np.flatnonzero(is_free)[: settings.signals - trades.handed_out]
    numbers = trades.handed_out + np.arange(len(symbols))
    trades.open[symbols] = numbers
    trades.instant[numbers] = instant
    trades.symbol[numbers] = symbols
    trades.price[numbers] = price[symbols]
    scale[symbols] = price[symbols] * settings.bar_volatility
    trades.handed_out += len(symbols)
