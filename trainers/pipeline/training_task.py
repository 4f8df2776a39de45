"""What a model is trained for, and where what outlives the training is kept."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec


class TrainingTask(msgspec.Struct, frozen=True, kw_only=True):
    """Whose signals a model is to judge.

    `symbol` None: those of every symbol. `rule` is the file that decides, `params` its
    parameters. `vectors`: as the stream `served` them, or `recomputed` from bars.
    `warnings` are told with the result.

    `chosen_from_ts` and `chosen_to_ts`, UTC ns, 0 for parameters that nobody searched for: the
    first and the last close of the bars on which the strategy's own were chosen.
    """

    strategy: str
    symbol: str | None = None
    rule: str = ""
    interval: str = "1d"
    params: dict[str, Any] = {}
    vectors: str = "recomputed"
    warnings: tuple[str, ...] = ()
    chosen_from_ts: int = 0
    chosen_to_ts: int = 0

    @property
    def scope(self) -> str:
        """Words for it."""
        return self.strategy if self.symbol is None else f"{self.strategy} on {self.symbol}"


class Stage(NamedTuple):
    """Where a training is: `done` of `total` steps of a stage, by its name."""

    name: str
    done: int
    total: int


class TrainingPlace(NamedTuple):
    """`ledger` counts trials and holds the seal of the holdout; `storage` is where trials are
    written as they end, None: nowhere. `release` is the program's; `now_ns` the clock.
    """

    ledger: str | Path
    storage: str | Path | None
    release: str
    now_ns: Callable[[], int]
    on_stage: Callable[[Stage], None] = lambda _stage: None
