"""Instruments: found by name or rule, with the right worth of a point and the right costs."""

import msgspec
import numpy as np
import pytest

from engine.backtests.bar_history import BarHistory
from engine.backtests.conversion import account_rates
from engine.costs import CostSettings
from engine.settings import StrategySettings
from engine.symbol_costs import SymbolCosts
from engine.trade import settle
from streams.errors import ConfigError
from trainers.research.instruments import load_instruments, read_instruments

BOOK = load_instruments()


@pytest.mark.parametrize(
    ("symbol", "asset_class", "point_value", "tick_size", "currency"),
    [
        ("ES", "future", 50.0, 0.25, "USD"),
        ("NQ", "future", 20.0, 0.25, "USD"),
        ("YM", "future", 5.0, 1.0, "USD"),
        ("EMD", "future", 100.0, 0.1, "USD"),
        ("ESZ5", "future", 50.0, 0.25, "USD"),
        ("ESH2024", "future", 50.0, 0.25, "USD"),
        ("@ES", "future", 50.0, 0.25, "USD"),
        ("ES=F", "future", 50.0, 0.25, "USD"),
        ("ES1!", "future", 50.0, 0.25, "USD"),
        ("AAPL", "equity", 1.0, 0.01, "USD"),
        ("ESS", "equity", 1.0, 0.01, "USD"),
        ("BRK.B", "equity", 1.0, 0.01, "USD"),
        ("EURUSD", "fx", 1.0, 0.0001, "USD"),
        ("USD/JPY", "fx", 1.0, 0.01, "JPY"),
        ("EURGBP", "fx", 1.0, 0.0001, "GBP"),
        ("USDJPY=X", "fx", 1.0, 0.01, "JPY"),
        ("XAUUSD", "fx", 1.0, 0.01, "USD"),
        ("BTCUSD", "crypto", 1.0, 0.01, "USD"),
        ("ETH-USDT", "crypto", 1.0, 0.01, "USD"),
    ],
)
def test_an_instrument_is_found(symbol, asset_class, point_value, tick_size, currency):
    found = BOOK.of(symbol)
    assert found.symbol == symbol
    assert (found.asset_class, found.point_value) == (asset_class, point_value)
    assert (found.tick_size, found.currency) == (tick_size, currency)


def test_the_session_tells_a_future_from_a_share():
    assert BOOK.of("CL", "futures").point_value == 1000.0
    assert BOOK.of("CL", "us_equity").asset_class == "equity"


def test_dollars_of_a_contract_are_right():
    """Long one ES from 4000.00 to 4010.00: $500, less $2.25 and one tick of $12.50 each side."""
    es = BOOK.of("ES")
    figures = settle(1, 4000.0, 4010.0, 10.0, es.costs())
    assert figures.y_pnl_gross * es.point_value == pytest.approx(500.0)
    assert figures.y_pnl_net * es.point_value == pytest.approx(500.0 - 2 * (2.25 + 12.5))


def test_a_file_names_what_is_wrong(tmp_path):
    file = tmp_path / "mine.yaml"
    for text, told in (
        ("symbols: {ES: {class: futures}}", "class was 'futures'.*did you mean future"),
        ("symbols: {ES: {tick_sise: 1}}", "did you mean tick_size"),
        ("symbols: {ES: {tick_size: 0}}", "tick_size must be float > 0"),
        ("symbols: {ES: {session: mars}}", "session 'mars' is not known"),
        ("symbols: [1]", "symbols must be"),
        ("classes: {", "is not YAML"),
    ):
        file.write_text(text)
        with pytest.raises(ConfigError, match=told):
            load_instruments(file)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_instruments(tmp_path / "none.yaml")


def test_costs_are_the_strategys_or_the_instruments():
    own = CostSettings(bps_per_side=7.0)
    assert SymbolCosts(StrategySettings(name="a", costs=own)).of("ES") == own
    many = SymbolCosts(StrategySettings(name="a", instruments=read_instruments()))
    assert many.of("ES") == BOOK.of("ES").costs()
    assert many.each(("ES", "AAPL")) == [BOOK.of("ES").costs(), BOOK.of("AAPL").costs()]


def pairs(closes: dict[str, list[float]], ts: dict[str, list[int]]) -> BarHistory:
    symbols = tuple(sorted(closes))
    counts = [len(closes[symbol]) for symbol in symbols]
    close = np.concatenate([closes[symbol] for symbol in symbols])
    return BarHistory(
        symbols,
        "1h",
        np.concatenate(([0], np.cumsum(counts))),
        np.concatenate([ts[symbol] for symbol in symbols]),
        np.repeat(close[:, None], 5, axis=1),
    )


def test_profits_in_another_currency_are_converted_as_of_the_bar():
    history = pairs(
        {"EURGBP": [0.8, 0.9, 0.85], "GBPUSD": [1.5, 1.25], "USDJPY": [100.0, 200.0]},
        {"EURGBP": [1, 3, 5], "GBPUSD": [2, 5], "USDJPY": [1, 2]},
    )
    rates = account_rates(history, tuple(BOOK.of(symbol) for symbol in history.symbols))
    np.testing.assert_array_equal(rates, [np.nan, 1.5, 1.25, 1.0, 1.0, 0.01, 0.005])


def test_only_a_pair_converts_itself():
    """A contract whose name begins with the account's currency is converted by the pair."""
    index = msgspec.structs.replace(BOOK.of("AAPL"), symbol="USDX", currency="EUR")
    history = pairs({"EURUSD=X": [1.2], "USDX": [100.0]}, {"EURUSD=X": [1], "USDX": [1]})
    rates = account_rates(history, (BOOK.of("EURUSD=X"), index))
    np.testing.assert_array_equal(rates, [1.0, 1.2])


def test_a_cross_needs_a_pair_that_converts_it():
    history = pairs({"EURGBP": [0.8]}, {"EURGBP": [1]})
    with pytest.raises(ConfigError, match="needs the bars of GBPUSD or USDGBP"):
        account_rates(history, (BOOK.of("EURGBP"),))
