"""Training data for a strategy: its trades, with every feature as the stream would have served it.

    frame = FeatureExtractor(commission_per_side=2.25, slippage_ticks=1.0).extract(
        ("rsi2_mean_reversion", {"period": 2}), bars, "ES"
    )

The columns are those of `trainers.extraction.training_frame`. Signals, features, entries, exits
and labels are the stream's, bit for bit.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
import polars as pl

from engine.backtests.bar_history import BarHistory
from engine.backtests.context_rows import context_rows
from engine.backtests.conversion import account_rates
from engine.context_settings import NO_CONTEXT, ContextSettings
from engine.costs import NotNegative, Positive
from engine.instrument import ACCOUNT_CURRENCY
from engine.instrument_book import InstrumentBook, InstrumentFile
from engine.settings import EXTERNAL, LabelSettings, StrategySettings
from engine.strategy import load_strategy
from engine.symbol_costs import SymbolCosts
from models.feature_set import load_feature_set
from streams.errors import ConfigError
from streams.session import session as session_named
from streams.source_settings import SourceSettings
from streams.strict import decode_strict
from trainers.extraction.bar_data import history_from, symbols_in
from trainers.extraction.extraction import Extraction, Market, extract_trades
from trainers.extraction.training_frame import training_frame
from trainers.research.instruments import read_instruments

Choice = str | StrategySettings | tuple[str, Mapping[str, Any]]


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known better than by an instrument's entry: see `engine.instrument`."""

    commission_per_side: NotNegative | None = None
    slippage_ticks: NotNegative | None = None
    tick_size: Positive | None = None
    point_value: Positive | None = None


class FeatureExtractor:
    """Extracts training data.

    `commission_per_side` (quote currency per share or contract), `slippage_ticks`, `tick_size`
    and `point_value` stand in for those of each instrument, which come from `instruments`
    (default: the bundled file). A strategy given as StrategySettings keeps its own costs unless
    one of these is given; one given by name pays the instrument's.

    `label` and `overlapping` (a signal at every close on which the entry condition holds) stand
    in for the strategy's: by default the exit is its own and there is one position at a time.
    `context` says what features may know of other symbols, `features` keeps only those.
    `interval` and `timezone` say what bars are given, `session` when a daily one closes (default:
    as the instruments trade; give `us_equity` for a share called as a future is, such as CL).
    Raises ConfigError for a value out of range.
    """

    def __init__(
        self,
        *,
        commission_per_side: float | None = None,
        slippage_ticks: float | None = None,
        tick_size: float | None = None,
        point_value: float | None = None,
        instruments: InstrumentFile | None = None,
        label: LabelSettings | None = None,
        overlapping: bool | None = None,
        context: ContextSettings = NO_CONTEXT,
        features: Sequence[str] | None = None,
        interval: str = "1d",
        session: str | None = None,
        timezone: str = "UTC",
    ) -> None:
        terms = {
            "commission_per_side": commission_per_side,
            "slippage_ticks": slippage_ticks,
            "tick_size": tick_size,
            "point_value": point_value,
        }
        decode_strict(terms, Terms, "FeatureExtractor")
        market = {"interval": interval, "timezone": timezone}
        self._bars = decode_strict(market, SourceSettings, "FeatureExtractor")
        self._session = None if session is None else session_named(session).name
        self._terms = {name: value for name, value in terms.items() if value is not None}
        self._instruments = instruments
        self._label = label
        self._overlapping = overlapping
        self._context = context
        self._features = None if features is None else tuple(features)

    def extract(self, strategy: Choice, data: Any, symbol: str | None = None) -> pl.DataFrame:
        """Return the training data of a strategy on `data`: see `bar_data.history_from`.

        `strategy`: a name, (name, parameters), or StrategySettings. `symbol`: of which symbol;
        None for every one in `data`. Raises ConfigError for an unknown strategy, parameter or
        symbol, DataError that names the row for bars that cannot be used.
        """
        session = self._session_of(symbols_in(data) if symbol is None else (symbol,))
        market = msgspec.structs.replace(self._bars, session=session)
        return self.extract_history(strategy, history_from(data, symbol, market), symbol)

    def extract_history(
        self, strategy: Choice, history: BarHistory, symbol: str | None = None
    ) -> pl.DataFrame:
        """Return the training data of a strategy on a history, or on one symbol of it."""
        return training_frame(self.trades(strategy, history, symbol), self._features)

    def trades(
        self, strategy: Choice, history: BarHistory, symbol: str | None = None
    ) -> Extraction:
        """Return what `extract_history` makes a frame of."""
        session = self._session_of(history.symbols if symbol is None else (symbol,))
        settings = self.settings_of(strategy, session)
        market = self.market_of(settings, history, session, () if symbol is None else (symbol,))
        if symbol is not None:
            market = market.of_symbol(symbol)
        return extract_trades(settings, market, load_feature_set())

    def settings_of(self, strategy: Choice, session: str = "") -> StrategySettings:
        """Return a strategy with this extractor's label and costs. Errors as `extract`.

        `session` is that of the bars.
        """
        settings = self._named(strategy)
        if settings.rule_name == EXTERNAL:
            raise ConfigError(
                f"strategy {settings.name} is external, its signals are an engine's own: "
                "collect them from the stream, or give a built-in strategy"
            )
        load_strategy(settings.rule_name)
        changes: dict[str, Any] = {}
        if self._label is not None:
            changes["label"] = self._label
        if self._overlapping is not None:
            changes["overlapping"] = self._overlapping
        file = self._instruments or settings.instruments
        if file is not None:
            # Whose bars these are decides what a name is: costs and profit are of one instrument.
            changes["instruments"] = msgspec.structs.replace(file, session=session or file.session)
        return msgspec.structs.replace(settings, **changes)

    def market_of(
        self,
        settings: StrategySettings,
        history: BarHistory,
        session: str,
        symbols: tuple[str, ...] = (),
    ) -> Market:
        """Return what is known of a history's bars for the trades of a strategy.

        `symbols`: those whose profit is asked for (none: all); others need no exchange rate.
        """
        file = settings.instruments or bundled_instruments()
        book = InstrumentBook(file)
        instruments = tuple(
            msgspec.structs.replace(book.of(symbol, session), **self._terms)
            for symbol in history.symbols
        )
        costs = [instrument.costs() for instrument in instruments]
        asked = tuple(
            instrument
            if not symbols or instrument.symbol in symbols
            else msgspec.structs.replace(instrument, currency=ACCOUNT_CURRENCY)
            for instrument in instruments
        )
        if not self._terms:
            costs = SymbolCosts(settings).each(history.symbols)
        points = np.array([instrument.point_value for instrument in instruments])
        return Market(
            history=history,
            contexts=context_rows(history, session_named(session), self._context),
            costs=tuple(costs),
            dollars=account_rates(history, asked) * points[history.slots],
        )

    def _session_of(self, symbols: tuple[str, ...]) -> str:
        if self._session is not None:
            return self._session
        book = InstrumentBook(self._instruments or bundled_instruments())
        return common_session(book, symbols)

    def _named(self, strategy: Choice) -> StrategySettings:
        if isinstance(strategy, StrategySettings):
            return strategy
        given: tuple[Any, ...] = strategy if isinstance(strategy, tuple) else (strategy, {})
        name, params = given if len(given) == 2 else (None, None)
        if not isinstance(name, str) or not isinstance(params, Mapping):
            raise ConfigError(
                "strategy must be a name, (name, parameters) or StrategySettings, was "
                f"{strategy!r:.80}"
            )
        return StrategySettings(
            name,
            params=dict(params),
            interval=self._bars.interval,
            instruments=bundled_instruments(),
        )


def common_session(book: InstrumentBook, symbols: tuple[str, ...]) -> str:
    """Return the session in which all of `symbols` trade. Raises ConfigError where they differ."""
    found = {book.of(symbol).session: symbol for symbol in reversed(symbols)}
    if len(found) > 1:
        (one, first), (other, second) = sorted(found.items())[:2]
        raise ConfigError(
            f"{first} trades in session {one} and {second} in {other}: give session, or extract "
            "one symbol at a time"
        )
    return next(iter(found), SourceSettings().session)


@lru_cache(maxsize=1)
def bundled_instruments() -> InstrumentFile:
    """Return what `configs/instruments.yaml` says."""
    return read_instruments()
