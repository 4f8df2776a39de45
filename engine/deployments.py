"""Which model is in force for a signal.

A deployment applies to signals that come after it in INPUT and whose ts >= its `effective_ts`.
A model belongs to a strategy, or to a strategy and a symbol; the narrower wins.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from msgspec.structs import replace

from models.onnx_session import Model
from streams.codec import decode, encode
from streams.events import Deployment
from streams.interval import DAY_NS

DEPLOYMENTS_KEPT = 8
SCOPES_MAX = 10_000


class InForce(NamedTuple):
    """A model and since when it speaks. `model` None: the null model, nobody speaks.

    `bars_needed` is after how many bars of a symbol its features no longer depend on the start.
    `is_first`: it was put there by `ml.model_path`, before anything was deployed.
    """

    version: str
    effective_ts: int
    model: Model | None
    bars_needed: int
    deployment: Deployment
    is_first: bool = False

    def is_expired(self, ts: int, max_age_days: float | None) -> bool:
        """Whether the model is too old for a signal of event time `ts`; None: never.

        Its age counts from when it came into force; that of a `model_path`, in force from the
        beginning of time, from the last that it was trained on.
        """
        since = self.effective_ts
        if self.is_first and self.model is not None:
            since = max(self.model.card.training_to_ts, self.model.card.labels_to_ts)
        return max_age_days is not None and ts - since > max_age_days * DAY_NS


class Deployments:
    """The last deployments of every scope, newest last in INPUT order."""

    def __init__(self) -> None:
        self._by_scope: dict[tuple[str, str | None], deque[InForce]] = {}

    def has_room(self, deployment: Deployment) -> bool:
        """Whether the scope of `deployment` is known, or one more can be kept."""
        scope = (deployment.strategy, deployment.symbol)
        return scope in self._by_scope or len(self._by_scope) < SCOPES_MAX

    def save(self) -> list[tuple[str, str | None, list[bytes]]]:
        """Return each scope's deployments, oldest first; a `model_path`'s own as no bytes."""
        return [
            (
                strategy,
                symbol,
                [b"" if one.is_first else encode(one.deployment, "msgpack") for one in kept],
            )
            for (strategy, symbol), kept in self._by_scope.items()
        ]

    def load(
        self,
        saved: list[tuple[str, str | None, list[bytes]]],
        in_force: Callable[[Deployment], InForce],
    ) -> None:
        """Go on from what `save` returned; the models of `model_path` must be in already."""
        first = {scope: kept[0] for scope, kept in self._by_scope.items() if kept[0].is_first}
        self._by_scope = {}
        for strategy, symbol, payloads in saved:
            scope = (strategy, symbol)
            self._by_scope[scope] = deque(maxlen=DEPLOYMENTS_KEPT)
            for payload in payloads:
                one = in_force(decode(payload)) if payload else first.get(scope)
                if one is not None:
                    self._by_scope[scope].append(one)

    def add(self, one: InForce) -> None:
        """Record a deployment that was read from INPUT and verified."""
        scope = (one.deployment.strategy, one.deployment.symbol)
        kept = self._by_scope.setdefault(scope, deque(maxlen=DEPLOYMENTS_KEPT))
        # The verdict is for people: as large as a message, and of values that no snapshot may hold.
        kept.append(one._replace(deployment=replace(one.deployment, verdict={})))

    def for_signal(self, strategy: str, symbol: str, ts: int) -> InForce | None:
        """Return what is in force for a signal of event time `ts`, or None."""
        for scope in ((strategy, symbol), (strategy, None)):
            for candidate in reversed(self._by_scope.get(scope, ())):
                if candidate.effective_ts <= ts:
                    return candidate
        return None


def deployed_in(saved: list[tuple[str, str | None, list[bytes]]]) -> list[Deployment]:
    """Return the saved deployments that name a model: not those of the null model."""
    events = [decode(payload) for _, _, payloads in saved for payload in payloads if payload]
    return [event for event in events if event.digest]
