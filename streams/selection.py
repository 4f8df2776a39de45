"""Which answers a client takes: those of some strategies and symbols, or all.

>>> one = Selection(strategies="rsi2", symbols=["BRK.B"])
>>> one.takes("signals.scored.rsi2.BRK%2EB"), one.takes("signals.scored.rsi2.AAPL")
(True, False)
"""

from collections.abc import Iterable
from hashlib import blake2b

import msgspec

from streams import subjects

FILTER_SUBJECTS_MAX = 64
PROGRESS = "progress.scorer.>"
_ANSWERS = ("signals.scored", "signals.rejected")


class Selection:
    """Strategies and symbols by their plain names; none named is all of them.

    `subjects` is what to ask the stream for: beyond FILTER_SUBJECTS_MAX it asks for more than it
    takes. `scope` tells selections apart. An empty name raises ValueError.
    """

    def __init__(self, strategies: str | Iterable[str], symbols: str | Iterable[str]) -> None:
        self._strategies = _names(strategies)
        self._symbols = _names(symbols)
        self._strategy_tokens = frozenset(map(subjects.token, self._strategies))
        self._symbol_tokens = frozenset(map(subjects.token, self._symbols))
        self.scope = ""
        if self._strategies or self._symbols:
            content = msgspec.json.encode([sorted(self._strategies), sorted(self._symbols)])
            self.scope = blake2b(content, digest_size=8).hexdigest()
        # The scorers' watermarks too: they tell how far the stream has been read.
        self.subjects = (*self._answers(), PROGRESS)

    def holds(self, strategy: str, symbol: str) -> bool:
        """Return whether answers to `strategy` and `symbol` are taken."""
        in_strategies = not self._strategies or strategy in self._strategies
        return in_strategies and (not self._symbols or symbol in self._symbols)

    def takes(self, subject: str) -> bool:
        """Return whether an answer on `subject` is taken."""
        tokens = subject.split(".")
        if len(tokens) != 4:
            return False
        in_strategies = not self._strategies or tokens[2] in self._strategy_tokens
        return in_strategies and (not self._symbols or tokens[3] in self._symbol_tokens)

    def _answers(self) -> tuple[str, ...]:
        strategies = sorted(self._strategy_tokens) or ["*"]
        symbols = sorted(self._symbol_tokens) or ["*"]
        if len(_ANSWERS) * len(strategies) * len(symbols) >= FILTER_SUBJECTS_MAX:
            symbols = ["*"]
        if len(_ANSWERS) * len(strategies) >= FILTER_SUBJECTS_MAX:
            strategies = ["*"]
        return tuple(
            f"{answers}.{strategy}.{symbol}"
            for answers in _ANSWERS
            for strategy in strategies
            for symbol in symbols
        )


def _names(names: str | Iterable[str]) -> frozenset[str]:
    return frozenset((names,) if isinstance(names, str) else names)
