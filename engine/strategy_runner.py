"""A configured strategy over all its symbols: what it decides at each close."""

from engine.bar_book import grown
from engine.saved import Saved, refilled
from engine.settings import EXTERNAL, StrategySettings
from engine.strategy import load_strategy

_SLOTS_FIRST = 8


def is_external(settings: StrategySettings) -> bool:
    """Return whether an engine of its own publishes this strategy's signals."""
    return settings.rule_name == EXTERNAL


class StrategyRunner:
    """The states of one strategy, one slot per symbol, in order of first bar.

    `states` float64 (slots, state size), more rows than symbols; `params` float64, those of
    `strategy`. Raises ConfigError for an unknown kind or parameter.
    """

    def __init__(self, settings: StrategySettings) -> None:
        self.settings = settings
        strategy = load_strategy(settings.rule_name)
        path = f"strategies.{settings.name}.params"
        params = strategy.decode_params(dict(settings.params), path)
        self.max_hold_bars = int(getattr(params, "max_hold_bars"))  # noqa: B009
        self.params = strategy.vector(params)
        self.states = strategy.new_states(_SLOTS_FIRST)
        self.strategy = strategy
        self._slots: dict[str, int] = {}
        self._symbols = frozenset(settings.symbols)

    def trades(self, symbol: str, interval: str) -> bool:
        """Return whether the strategy looks at this series."""
        if interval != self.settings.interval:
            return False
        return not self._symbols or symbol in self._symbols

    def slot_of(self, symbol: str) -> int:
        """Return the slot of a symbol, a new one on its first bar."""
        slot = self._slots.get(symbol)
        if slot is None:
            slot = len(self._slots)
            self._slots[symbol] = slot
            self.states = grown(self.states, slot + 1)
        return slot

    def reset(self, symbol: str) -> int | None:
        """Forget a symbol's history; return its slot, None where it never had a bar."""
        slot = self._slots.get(symbol)
        if slot is not None:
            self.states[slot] = 0.0
        return slot

    def save(self) -> Saved:
        """Return what was decided with and the state of every symbol."""
        used = self.states[: len(self._slots)]
        return Saved({"rule": self._rule(), "symbols": list(self._slots)}, {"states": used})

    def load(self, saved: Saved) -> None:
        """Go on from `saved`. Raises ValueError where it is another strategy's."""
        if saved.facts["rule"] != self._rule():
            raise ValueError(f"{saved.facts['rule']} was saved, {self._rule()} is configured")
        self.states = refilled(self.states, saved.arrays["states"])
        self._slots = {symbol: slot for slot, symbol in enumerate(saved.facts["symbols"])}

    def _rule(self) -> list[object]:
        """All that a decision depends on, beside the bars."""
        settings = self.settings
        named = [settings.name, settings.rule_name, settings.interval]
        return [*named, sorted(self._symbols), self.params.tolist()]
