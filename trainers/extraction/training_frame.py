"""Training data as one frame, in the columns of the original design.

    Date/Time, Exit Date/Time   closes of the bars of entry and exit, UTC: when each was known
    Entry_Price, Exit_Price     quote currency
    y_return                    side · (exit / entry - 1), before costs
    y_binary                    1 if the trade won after costs, else 0
    y_pnl_usd, y_pnl_gross      dollars per share or contract, after and before costs

then the strategy's indicators (float64) and the served vector (float32, NaN before warm-up):
every feature, the signal's score and side. Behind them stands what names and weighs a row:

    symbol, side, signal_id
    label_start, label_end      what the label hangs on, to purge by: the closes of the signal's
                                bar and of the exit's
    r_multiple                  net profit in units of the risk taken
    exit_reason, bars_held      gap, signal, time, stop or target; closes it was held over
    uniqueness                  average uniqueness of the label among its symbol's, in (0, 1]

Indicators and features are as of `label_start`, a bar before `Date/Time`. A model may learn from
`learnable` columns alone: the others know how the trade ended.
"""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.signal_maker import signal_id_of
from engine.trade import REASON_NAMES
from streams.errors import ConfigError
from streams.strict import nearest
from trainers.extraction.extraction import Extraction

INSTANT = pl.Datetime("ns", "UTC")
OUTCOME_COLUMNS = {
    "Date/Time": INSTANT,
    "Exit Date/Time": INSTANT,
    "Entry_Price": pl.Float64(),
    "Exit_Price": pl.Float64(),
    "y_return": pl.Float64(),
    "y_binary": pl.Int8(),
    "y_pnl_usd": pl.Float64(),
    "y_pnl_gross": pl.Float64(),
}
ROW_COLUMNS = {
    "symbol": pl.String(),
    "side": pl.Int8(),
    "signal_id": pl.String(),
    "label_start": INSTANT,
    "label_end": INSTANT,
    "r_multiple": pl.Float64(),
    "exit_reason": pl.String(),
    "bars_held": pl.Int64(),
    "uniqueness": pl.Float64(),
}
OWN = "strategy_"


def learnable(frame: pl.DataFrame) -> list[str]:
    """Return the names of the columns that were known when each signal was made.

    >>> learnable(pl.DataFrame({"y_binary": [1], "rsi_2": [4.0], "symbol": ["IBM"]}))
    ['rsi_2']
    """
    told = OUTCOME_COLUMNS.keys() | ROW_COLUMNS.keys()
    return [name for name in frame.columns if name not in told]


def training_frame(found: Extraction, features: tuple[str, ...] | None = None) -> pl.DataFrame:
    """Return an extraction as a frame; `features` keeps only those, in the vector's order.

    Raises ConfigError for a feature that there is not.
    """
    log, figures, history = found.log, found.figures, found.market.history
    signal_ts, exit_ts = history.ts[log.signal_row], history.ts[log.exit_row]
    symbols = [history.symbols[slot] for slot in log.slot.tolist()]
    dollars = found.dollars
    name = found.settings.name
    outcome: dict[str, Any] = {
        "Date/Time": history.ts[log.entry_row],
        "Exit Date/Time": exit_ts,
        "Entry_Price": log.entry_price,
        "Exit_Price": log.exit_price,
        "y_return": figures.y_return,
        "y_binary": figures.y_binary,
        "y_pnl_usd": figures.y_pnl_net * dollars,
        "y_pnl_gross": figures.y_pnl_gross * dollars,
    }
    row: dict[str, Any] = {
        "symbol": symbols,
        "side": log.side,
        "signal_id": [
            signal_id_of(name, symbol, ts)
            for symbol, ts in zip(symbols, signal_ts.tolist(), strict=True)
        ],
        "label_start": signal_ts,
        "label_end": exit_ts,
        "r_multiple": figures.r_multiple,
        "exit_reason": [REASON_NAMES[reason] for reason in log.reason.tolist()],
        "bars_held": log.bars_held,
        "uniqueness": found.uniqueness,
    }
    return pl.DataFrame(
        [_series(column, values, OUTCOME_COLUMNS[column]) for column, values in outcome.items()]
        + _columns(own_names(found), found.indicators)
        + _columns(found.vector_names, found.vectors, _kept(found, features))
        + [_series(column, values, ROW_COLUMNS[column]) for column, values in row.items()]
    )


def own_names(found: Extraction) -> tuple[str, ...]:
    """Return the columns of the strategy's indicators.

    One that a feature or a column of the frame is called too is `strategy_<name>`.
    """
    taken = {*found.vector_names, *OUTCOME_COLUMNS, *ROW_COLUMNS}
    return tuple(OWN + name if name in taken else name for name in found.indicator_names)


def _kept(found: Extraction, features: tuple[str, ...] | None) -> list[int] | None:
    if features is None:
        return None
    for name in features:
        if name not in found.vector_names:
            raise ConfigError(f"feature {name!r} is not known{nearest(name, found.vector_names)}")
    return [place for place, name in enumerate(found.vector_names) if name in set(features)]


def _columns(
    names: tuple[str, ...], rows: NDArray[Any], places: list[int] | None = None
) -> list[pl.Series]:
    columns = np.ascontiguousarray(rows.T)
    chosen = range(len(names)) if places is None else places
    return [pl.Series(names[place], columns[place]) for place in chosen]


def _series(name: str, values: Any, kind: pl.DataType) -> pl.Series:
    if kind == INSTANT:
        return pl.Series(name, values, dtype=pl.Int64).cast(INSTANT)
    return pl.Series(name, values).cast(kind)
