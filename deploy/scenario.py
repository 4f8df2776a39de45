"""What a demo replays: history to train on, history to replay, and the truth where it is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.config import BUNDLED
from streams.events import Bar, Signal

Instant = Sequence[Bar | Signal]


@dataclass(frozen=True, slots=True)
class Truth:
    """A reversal that was planted: at which signal, counted from the first replayed one."""

    kind: str
    at_signal: int
    at_ts: int
    bayes_auc: float


@dataclass(frozen=True, slots=True)
class Scenario:
    """One demo.

    `training` is what happened before `from_ts`; `replayed` begins with the bars that warm the
    features up and goes on from `from_ts`. At each of `retrain_ts` every strategy's model is
    asked to be trained anew, as a schedule would.
    """

    title: str
    training: Sequence[Instant]
    replayed: Sequence[Instant]
    from_ts: int
    retrain_ts: tuple[int, ...] = ()
    truth: Truth | None = None


def config_of(name: str) -> Path:
    """Return the run file of a demo."""
    return BUNDLED / f"demo_{name}.yaml"
