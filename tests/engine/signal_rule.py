"""What strategies say by the rule, told bar by bar in Python: to compare the compiled one with.

Among them is one that signals long and short, with scores and stops that no contract allows.
"""

import math
from pathlib import Path

import numpy as np
import pytest

from engine import strategies as strategy_files
from engine.settings import StrategySettings
from engine.signal_maker import signal_id_of
from engine.strategy import DECISION_SIZE, load_strategy
from engine.trade import TRADE, advance, new_trade, stop_of
from streams import codec
from streams.events import Bar, Signal
from tests.engine.market import random_bars

SYMBOLS = ("AAA", "BBB", "CCC")
BARS = 90
NO_SIGNALS = codec.encode([], "msgpack")
WILD = '''"""Signals long and short on most bars, with scores and stops that no contract allows."""

import msgspec
import numpy as np

from models.kernel import kernel

STATE_SIZE = 1


class Params(msgspec.Struct, frozen=True):
    max_hold_bars: int = 4


@kernel
def step(state, history, params, out):
    state[0] += 1.0
    close = history.close[history.end - 1]
    before = history.close[history.end - 2] if history.count > 1 else close
    turn = int(state[0]) % 11
    out[0] = 0.0 if turn == 3 else (1.0 if close < before else -1.0)
    out[1] = 0.25 * turn - 0.5
    far = 0.02 + 0.01 * (turn % 3)
    stops = (close * (1.0 - out[0] * far), np.nan, np.inf, -close, 0.0, close)
    out[2] = stops[turn % 6]
    out[3] = 1.0 if turn == 7 else 0.0
    out[4] = 1.0 if turn == 9 else 0.0
'''


def install_wild(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Put the strategy `wild_for_tests` beside those of the house."""
    (folder / "wild_for_tests.py").write_text(WILD)
    patch.setattr(strategy_files, "__path__", [*strategy_files.__path__, str(folder)])
    load_strategy("wild_for_tests")


RULES = (
    StrategySettings(name="wild", kind="wild_for_tests"),
    StrategySettings(
        name="rsi2",
        kind="rsi2_mean_reversion",
        params={"trend_ma": 0, "entry": 40.0},
        symbols=("AAA", "CCC"),
    ),
    StrategySettings(name="theirs", kind="external"),
    StrategySettings(name="often", kind="wild_for_tests", overlapping=True, symbols=("BBB",)),
    StrategySettings(name="hourly", kind="wild_for_tests", interval="1h"),
)


def history(interval: str = "1d") -> dict[str, list[Bar]]:
    return {
        symbol: random_bars(symbol, BARS, seed=7 + number, interval=interval)
        for number, symbol in enumerate(SYMBOLS)
    }


def by_rule(rule: StrategySettings, bars: list[Bar]) -> list[Signal]:
    """The signals of one strategy on one symbol, bar by bar, as the rule is told in words."""
    strategy = load_strategy(rule.rule_name)
    params = strategy.decode_params(dict(rule.params), "params")
    states, out = strategy.new_states(1), np.zeros(DECISION_SIZE)
    trade = np.zeros(1, dtype=TRADE).view(np.recarray)
    is_held = False
    made = []
    for bar in bars:
        prices = (bar.open, bar.high, bar.low, bar.close)
        vector = strategy.vector(params)
        strategy.update(states, 0, bar.ts, *prices, bar.volume, vector, out)
        side, score, stop, exit_long, exit_short, atr = out.tolist()
        if is_held:
            flag = exit_long if trade[0].side > 0 else exit_short
            is_held = not advance(trade[0], bar.ts, *prices, flag > 0.0)
        if side == 0.0 or (is_held and not rule.overlapping):
            continue
        is_usable = math.isfinite(stop) and stop > 0.0 and side * (bar.close - stop) > 0.0
        signal = Signal(
            signal_id=signal_id_of(rule.name, bar.symbol, bar.ts),
            strategy=rule.name,
            symbol=bar.symbol,
            interval=bar.interval,
            ts=bar.ts,
            side=int(side),
            score=min(max(score, 0.0), 1.0),
            price=bar.close,
            stop=stop if is_usable else None,
        )
        made.append(signal)
        if not is_held:
            is_held = True
            trade[0] = new_trade(
                side=signal.side,
                price=signal.price,
                stop=stop_of(signal.side, signal.price, signal.stop, atr, rule.label.stop_atr_mult),
                target_r=0.0,
                max_hold_bars=params.max_hold_bars,
                rule=-1,
            )
    return made


def expected(rules=RULES, bars_of=None) -> dict[tuple[str, str], bytes]:
    """The signals of each strategy and symbol, by the rule."""
    found = {}
    for rule in rules:
        for symbol, bars in (bars_of or history()).items():
            trades_it = not rule.symbols or symbol in rule.symbols
            if rule.kind != "external" and rule.interval == bars[0].interval and trades_it:
                found[(rule.name, symbol)] = codec.encode(by_rule(rule, bars), "msgpack")
    return {key: signals for key, signals in found.items() if signals != NO_SIGNALS}
