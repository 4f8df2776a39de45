"""The peer of the replay benchmark: NautilusTrader runs RSI-2 on the same bars, in process.

    PYTHON tests/benchmarks/nautilus_peer.py BARS.npz

PYTHON is an interpreter that has nautilus_trader; this file imports nothing of ours. BARS.npz
holds symbols, codes (which symbol each bar is of), ts (close, UTC ns) and values (open to
volume). One JSON line comes out; `seconds` is the engine's run alone, without making its bars.
"""

import json
import sys
import time
from decimal import Decimal

import nautilus_trader
import numpy as np
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig, StrategyConfig
from nautilus_trader.indicators import AverageTrueRange, RelativeStrengthIndex
from nautilus_trader.indicators.averages import MovingAverageType
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import Currency, Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy

PERIOD, ENTRY, EXIT = 2, 0.10, 0.65
ATR_PERIOD, STOP_ATR = 14, 10.0
SIZE = "1.0"
VENUE = Venue("SIM")


class Rsi2Config(StrategyConfig, frozen=True):
    instrument_id: InstrumentId
    bar_type: BarType


class Rsi2(Strategy):
    """Long below RSI 10; out above 65, or at a stop 10 ATR away."""

    def __init__(self, config: Rsi2Config) -> None:
        super().__init__(config)
        self.rsi = RelativeStrengthIndex(PERIOD, MovingAverageType.WILDER)
        self.atr = AverageTrueRange(ATR_PERIOD, MovingAverageType.WILDER)
        self.size = Quantity.from_str(SIZE)
        self.is_long = False
        self.stop_price = 0.0
        self.entries = 0

    def on_start(self) -> None:
        for indicator in (self.rsi, self.atr):
            self.register_indicator_for_bars(self.config.bar_type, indicator)
        self.subscribe_bars(self.config.bar_type)

    def on_bar(self, bar: Bar) -> None:
        if not (self.rsi.initialized and self.atr.initialized):
            return
        close = bar.close.as_double()
        if self.is_long:
            is_stopped = bar.low.as_double() <= self.stop_price
            if is_stopped or self.rsi.value > EXIT:
                self.order(OrderSide.SELL)
                self.is_long = False
        elif self.rsi.value < ENTRY:
            self.order(OrderSide.BUY)
            self.is_long, self.entries = True, self.entries + 1
            self.stop_price = close - STOP_ATR * self.atr.value

    def order(self, side: OrderSide) -> None:
        self.submit_order(self.order_factory.market(self.config.instrument_id, side, self.size))


def instrument_of(name: str) -> CurrencyPair:
    return CurrencyPair(
        instrument_id=InstrumentId(Symbol(name), VENUE),
        raw_symbol=Symbol(name),
        base_currency=Currency.from_str(name[:3]),
        quote_currency=USD,
        price_precision=5,
        size_precision=8,
        price_increment=Price.from_str("0.00001"),
        size_increment=Quantity.from_str("0.00000001"),
        ts_event=0,
        ts_init=0,
        margin_init=Decimal(0),
        margin_maint=Decimal(0),
        maker_fee=Decimal(0),
        taker_fee=Decimal(0),
    )


def bars_of(bar_type: BarType, ts: np.ndarray, values: np.ndarray) -> list[Bar]:
    return [
        Bar(bar_type, *(Price(v, 5) for v in row[:4]), Quantity(max(row[4], 1e-8), 8), at, at)
        for at, row in zip(ts.tolist(), values.tolist(), strict=True)
    ]


def main(file: str) -> None:
    history = np.load(file)
    config = BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True))
    engine = BacktestEngine(config)
    engine.add_venue(
        venue=VENUE,
        oms_type=OmsType.NETTING,
        account_type=AccountType.MARGIN,
        base_currency=USD,
        starting_balances=[Money(100_000_000, USD)],
    )
    strategies = []
    for code, name in enumerate(history["symbols"].tolist()):
        instrument = instrument_of(name)
        engine.add_instrument(instrument)
        bar_type = BarType.from_str(f"{instrument.id}-1-MINUTE-LAST-EXTERNAL")
        own = history["codes"] == code
        engine.add_data(bars_of(bar_type, history["ts"][own], history["values"][own]))
        strategy = Rsi2(
            Rsi2Config(instrument_id=instrument.id, bar_type=bar_type, order_id_tag=str(code))
        )
        engine.add_strategy(strategy)
        strategies.append(strategy)
    began = time.perf_counter()
    engine.run()
    seconds = time.perf_counter() - began
    told = {
        "version": nautilus_trader.__version__,
        "seconds": seconds,
        "entries": sum(strategy.entries for strategy in strategies),
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
