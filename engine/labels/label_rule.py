"""How the signals of one strategy are labelled: what the trade rule needs beside the signal."""

from typing import NamedTuple

from engine.settings import StrategySettings
from engine.strategy_runner import StrategyRunner, is_external
from engine.symbol_costs import SymbolCosts
from streams.errors import ConfigError

RULES_MAX = 62
NO_EXIT_FLAGS = -1


class LabelRule(NamedTuple):
    """`bit` is the strategy's place in a bar's exit flags; NO_EXIT_FLAGS for a triple barrier."""

    name: str
    bit: int
    runner: StrategyRunner | None
    target_r: float
    max_hold_bars: int
    stop_atr_mult: float
    costs: SymbolCosts

    def covers(self, symbol: str, interval: str) -> bool:
        """Return whether signals on this series can be labelled."""
        return self.runner is None or self.runner.trades(symbol, interval)


def label_rules(settings: tuple[StrategySettings, ...]) -> dict[str, LabelRule]:
    """Return the rule of each strategy by its name on the wire.

    A strategy's own exit by default; a triple barrier where the settings say so and for
    external strategies, whose exits nobody here knows. Raises ConfigError for an unknown kind
    or parameter, and above RULES_MAX strategies with exits of their own.
    """
    rules: dict[str, LabelRule] = {}
    bits = 0
    for one in settings:
        label = one.label
        if is_external(one) or label.rule == "triple_barrier":
            rules[one.name] = LabelRule(
                name=one.name,
                bit=NO_EXIT_FLAGS,
                runner=None,
                target_r=label.target_r,
                max_hold_bars=label.max_hold_bars,
                stop_atr_mult=label.stop_atr_mult,
                costs=SymbolCosts(one),
            )
            continue
        if bits >= RULES_MAX:
            raise ConfigError(
                f"at most {RULES_MAX} strategies can be labelled by their own exits, "
                f"{one.name!r} is one more: run another labeller or use a triple barrier"
            )
        runner = StrategyRunner(one)
        rules[one.name] = LabelRule(
            name=one.name,
            bit=bits,
            runner=runner,
            target_r=0.0,
            max_hold_bars=runner.max_hold_bars,
            stop_atr_mult=label.stop_atr_mult,
            costs=SymbolCosts(one),
        )
        bits += 1
    return rules
