"""Which model is in force for a signal.

A deployment applies to signals that come after it in INPUT and whose ts >= its `effective_ts`.
A model belongs to a strategy, or to a strategy and a symbol; the narrower wins. Beside it a canary
may speak on a share of the signals: see `engine.canaries`.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from engine.canaries import Canaries, is_canary, is_chosen
from engine.in_force import InForce
from streams.codec import decode, encode
from streams.events import Deployment, Signal

DEPLOYMENTS_KEPT = 8
SCOPES_MAX = 10_000
TIME_MAX = 2**63 - 1


class Deployments:
    """The last deployments of every scope, newest last in INPUT order."""

    def __init__(self) -> None:
        self._by_scope: dict[tuple[str, str | None], deque[InForce]] = {}
        self._canaries = Canaries()

    def has_room(self, deployment: Deployment) -> bool:
        """Whether the scope of `deployment` is known, or one more can be kept."""
        scope = (deployment.strategy, deployment.symbol)
        known = self._by_scope.keys() | set(self._canaries)
        return scope in known or len(known) < SCOPES_MAX

    def save(self) -> dict[str, Any]:
        """Return each scope's deployments, oldest first; a `model_path`'s own as no bytes."""
        in_force = [
            (
                strategy,
                symbol,
                [b"" if one.is_first else encode(one.deployment, "msgpack") for one in kept],
            )
            for (strategy, symbol), kept in self._by_scope.items()
        ]
        return {"in_force": in_force, "canaries": self._canaries.save()}

    def load(self, saved: Mapping[str, Any], in_force: Callable[[Deployment], InForce]) -> None:
        """Go on from what `save` returned; the models of `model_path` must be in already."""
        first = {scope: kept[0] for scope, kept in self._by_scope.items() if kept[0].is_first}
        self._by_scope = {}
        for strategy, symbol, payloads in saved["in_force"]:
            scope = (strategy, symbol)
            self._by_scope[scope] = deque(maxlen=DEPLOYMENTS_KEPT)
            for payload in payloads:
                one = in_force(decode(payload)) if payload else first.get(scope)
                if one is not None:
                    self._by_scope[scope].append(one)
        self._canaries.load(saved["canaries"], in_force)

    def add(self, one: InForce) -> None:
        """Record a deployment that was read from INPUT and verified."""
        # The verdict is for people: as large as a message, and of values that no snapshot may hold.
        one = one._replace(deployment=replace(one.deployment, verdict={}))
        self._canaries.add(one)
        if one.deployment.share <= 0.0 or is_canary(one.deployment):
            return
        scope = (one.deployment.strategy, one.deployment.symbol)
        self._by_scope.setdefault(scope, deque(maxlen=DEPLOYMENTS_KEPT)).append(one)

    def for_signal(self, strategy: str, symbol: str, ts: int) -> InForce | None:
        """Return what is in force for a signal of event time `ts`, or None."""
        for scope in ((strategy, symbol), (strategy, None)):
            for candidate in reversed(self._by_scope.get(scope, ())):
                if candidate.effective_ts <= ts:
                    return candidate
        return None

    def standing(self) -> list[InForce]:
        """Return what was deployed last for every scope, and the canaries that have not ended."""
        newest = [kept[-1] for kept in self._by_scope.values() if kept]
        canaries = [self._canaries.of(*scope, TIME_MAX) for scope in self._canaries]
        return newest + [one for one in canaries if one is not None]

    def canary_for(self, signal: Signal, in_force: InForce | None) -> InForce | None:
        """Return the canary that is to answer `signal`, or None; `in_force` is `for_signal`'s."""
        if not self._canaries:
            return None
        strategy, symbol, ts = signal.strategy, signal.symbol, signal.ts
        canary = self._canaries.of(strategy, symbol, ts)
        if canary is None and (in_force is None or in_force.deployment.symbol is None):
            canary = self._canaries.of(strategy, None, ts)
        if canary is None or not is_chosen(signal.signal_id, canary.deployment.share):
            return None
        return canary


def deployed_in(saved: Mapping[str, Any]) -> list[Deployment]:
    """Return the saved deployments that name a model: not those of the null model."""
    payloads = [payload for _, _, kept in saved["in_force"] for payload in kept if payload]
    events = [decode(payload) for payload in (*payloads, *saved["canaries"])]
    return [event for event in events if event.digest]
