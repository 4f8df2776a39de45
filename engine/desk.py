"""A desk: one strategy on one symbol, and all that its answers have in common."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.answer import Answer
from engine.settings import StrategySettings
from models.mode import Decision
from streams import subjects
from streams.errors import WireError
from streams.events import Scored, Signal
from streams.validation import check_signal

DESKS_MAX: Final = 65_536


class Desk:
    """Made once per (strategy, symbol): settings, subjects and the vector to serve.

    `features` is the number of market features; behind them stand the signal's own values.
    """

    __slots__ = (
        "_buffer",
        "_carried",
        "_digest",
        "_features",
        "_rejected",
        "_scored",
        "settings",
        "symbol",
    )

    def __init__(
        self, settings: StrategySettings, symbol: str, features: int, features_digest: str
    ) -> None:
        self.settings = settings
        self.symbol = symbol
        self._digest = features_digest
        self._features = features
        self._scored = subjects.scored(settings.name, symbol)
        self._rejected = subjects.rejected(settings.name, symbol)
        self._buffer = np.zeros(features + 2 + len(settings.features), dtype=np.float32)
        self._carried = self._buffer[features:]

    def check(self, signal: Signal) -> None:
        """Raise WireError unless the signal can be honoured, on bars of the desk's interval."""
        check_signal(signal)
        if signal.interval != self.settings.interval:
            raise WireError(
                "interval",
                f"{signal.strategy} trades {self.settings.interval} bars, the signal names "
                f"{signal.interval}",
            )

    def vector(self, signal: Signal, row: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the vector served for `signal` on the features of `row`; valid until the next."""
        self._buffer[: self._features] = row
        self._carried[0] = signal.score
        self._carried[1] = signal.side
        if self.settings.features:
            own = [signal.features.get(name, np.nan) for name in self.settings.features]
            # A number beyond float32 is served as infinite, which a model is not asked about.
            with np.errstate(over="ignore"):
                self._carried[2:] = own
        return self._buffer

    def answer(
        self,
        signal: Signal,
        decision: Decision,
        model: str | None,
        vector: NDArray[np.float32] | None,
        row: int,
    ) -> Answer:
        """Return the one answer to `signal`, which stands in row `row` of its message."""
        scored = Scored(
            signal.signal_id,
            signal.strategy,
            signal.symbol,
            signal.interval,
            signal.ts,
            signal.side,
            signal.score,
            signal.price,
            signal.stop,
            signal.features,
            decision.probability,
            decision.final_score,
            decision.accepted,
            decision.mode,
            decision.threshold,
            decision.weight,
            model if decision.probability is not None else None,
            decision.reasons,
            b"" if vector is None else vector.tobytes(),
            self._digest,
        )
        return Answer(self._scored if decision.accepted else self._rejected, scored, row=row)
