"""Which model is in force for a signal.

A deployment applies to signals that come after it in INPUT and whose ts >= its `effective_ts`.
A model belongs to a strategy, or to a strategy and a symbol; the narrower wins.
"""

from collections import deque
from typing import NamedTuple

from models.onnx_session import Model
from streams.events import Deployment
from streams.interval import DAY_NS

DEPLOYMENTS_KEPT = 8
SCOPES_MAX = 10_000


class InForce(NamedTuple):
    """A model and since when it speaks. `model` None: the null model, nobody speaks.

    `bars_needed` is after how many bars of a symbol its features no longer depend on the start.
    """

    version: str
    effective_ts: int
    model: Model | None
    bars_needed: int
    deployment: Deployment

    def is_expired(self, ts: int, max_age_days: float | None) -> bool:
        """Whether the model is too old for a signal of event time `ts`; None: never."""
        return max_age_days is not None and ts - self.effective_ts > max_age_days * DAY_NS


class Deployments:
    """The last deployments of every scope, newest last in INPUT order."""

    def __init__(self) -> None:
        self._by_scope: dict[tuple[str, str | None], deque[InForce]] = {}

    def has_room(self, deployment: Deployment) -> bool:
        """Whether the scope of `deployment` is known, or one more can be kept."""
        scope = (deployment.strategy, deployment.symbol)
        return scope in self._by_scope or len(self._by_scope) < SCOPES_MAX

    def add(self, deployment: Deployment, model: Model | None, bars_needed: int = 0) -> None:
        """Record a deployment that was read from INPUT and verified."""
        scope = (deployment.strategy, deployment.symbol)
        kept = self._by_scope.setdefault(scope, deque(maxlen=DEPLOYMENTS_KEPT))
        version, effective_ts = deployment.version, deployment.effective_ts
        kept.append(InForce(version, effective_ts, model, bars_needed, deployment))

    def for_signal(self, strategy: str, symbol: str, ts: int) -> InForce | None:
        """Return what is in force for a signal of event time `ts`, or None."""
        for scope in ((strategy, symbol), (strategy, None)):
            for candidate in reversed(self._by_scope.get(scope, ())):
                if candidate.effective_ts <= ts:
                    return candidate
        return None
