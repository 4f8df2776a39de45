"""Which canary answers a signal: a model that speaks on a share of them, chosen by their ids.

A canary stands beside the model in force of its scope, which stays. Like every deployment it
applies to signals that come after it in INPUT and whose ts >= its `effective_ts`; the last one
given wins. A deployment of share 0, or of a model for the whole scope, ends it from its own
`effective_ts` on. Where a symbol has a model of its own, or a canary, its strategy's canary has no
say there.
"""

from collections import deque
from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Any

from msgspec.structs import replace

from engine.in_force import InForce
from streams.codec import decode, encode
from streams.events import Deployment

CANARIES_KEPT = 8
_PARTS = 2**64

Scope = tuple[str, str | None]


def is_chosen(signal_id: str, share: float) -> bool:
    """Whether a signal is of the share that a canary answers: the same wherever it is asked.

    The ids' BLAKE2b, as a part of one, is below `share`: a larger share holds the smaller one.

    >>> [n for n in range(20) if is_chosen(f"s{n}", 0.25)]
    [6, 10, 18]
    """
    digest = blake2b(signal_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * _PARTS


def is_canary(deployment: Deployment) -> bool:
    """Whether a deployment brings a model into force on a share of the signals only."""
    return 0.0 < deployment.share < 1.0


class Canaries:
    """The last canaries of every scope and what ended them, newest last in INPUT order."""

    def __init__(self) -> None:
        self._by_scope: dict[Scope, deque[InForce]] = {}

    def __bool__(self) -> bool:
        """Whether any scope has, or had not long ago, a canary."""
        return bool(self._by_scope)

    def __iter__(self) -> Iterator[Scope]:
        """Yield the scopes that are kept."""
        return iter(self._by_scope)

    def add(self, one: InForce) -> None:
        """Record a canary, or what ends those of its scope."""
        scope = (one.deployment.strategy, one.deployment.symbol)
        if not is_canary(one.deployment):
            if scope not in self._by_scope:
                return
            # What comes into force instead is kept elsewhere: here it is an end and no model.
            end = replace(one.deployment, version="", digest="", previous=None, share=0.0)
            one = one._replace(version="", model=None, bars_needed=0, deployment=end)
        kept = self._by_scope.setdefault(scope, deque(maxlen=CANARIES_KEPT))
        kept.append(one)
        while kept and kept[0].model is None:
            kept.popleft()
        if not kept:
            del self._by_scope[scope]

    def of(self, strategy: str, symbol: str | None, ts: int) -> InForce | None:
        """Return the canary of exactly this scope at event time `ts`, or None."""
        for candidate in reversed(self._by_scope.get((strategy, symbol), ())):
            if candidate.effective_ts <= ts:
                return candidate if candidate.model is not None else None
        return None

    def save(self) -> list[bytes]:
        """Return every deployment that is kept, scope by scope, oldest first."""
        return [
            encode(one.deployment, "msgpack") for kept in self._by_scope.values() for one in kept
        ]

    def load(self, saved: list[Any], in_force: Callable[[Deployment], InForce]) -> None:
        """Go on from what `save` returned."""
        self._by_scope = {}
        for payload in saved:
            self.add(in_force(decode(payload)))
