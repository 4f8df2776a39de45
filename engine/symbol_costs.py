"""The costs of a strategy's trades by symbol: its own, or those of the instruments."""

from collections.abc import Iterable

from engine.costs import CostSettings
from engine.instrument_book import InstrumentBook
from engine.settings import StrategySettings

SYMBOLS_KEPT_MAX = 100_000


class SymbolCosts:
    """Finds the costs of a symbol, per unit and in price. Raises ConfigError for instruments."""

    def __init__(self, settings: StrategySettings) -> None:
        self._costs = settings.costs
        file = settings.instruments
        self._book = InstrumentBook(file) if file is not None else None
        self._known: dict[str, CostSettings] = {}

    def of(self, symbol: str) -> CostSettings:
        """Return the costs of one side of a trade in a symbol."""
        if self._book is None:
            return self._costs
        found = self._known.get(symbol)
        if found is None:
            found = self._book.of(symbol).costs()
            if len(self._known) < SYMBOLS_KEPT_MAX:
                self._known[symbol] = found
        return found

    def each(self, symbols: Iterable[str]) -> list[CostSettings]:
        """Return the costs of several symbols, in their order."""
        return [self.of(symbol) for symbol in symbols]
