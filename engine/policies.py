"""The kill switch: which policy is in force for a signal.

An order applies to signals that come after it in INPUT and whose ts >= its `effective_ts`; the
last one given wins. The trainer orders too, and never overrules a person: its orders count only
where nobody else's stands, and a person's `resume` lifts them as well.
"""

from collections import deque

from streams.codec import decode, encode
from streams.events import Policy

TRAINER = "trainer"
RESUME = "resume"
ORDERS_KEPT = 8


class Policies:
    """The last orders for every strategy, by the trainer and by people.

    >>> policies = Policies()
    >>> policies.add(Policy("rsi2", "block", by="ops", why="halt"))
    >>> policies.add(Policy("rsi2", "resume", by="trainer", why="promoted"))
    >>> policies.in_force("rsi2", 1)
    'block'
    """

    def __init__(self) -> None:
        self._orders: dict[tuple[str, bool], deque[Policy]] = {}

    def add(self, policy: Policy) -> None:
        """Record an order that was read from INPUT."""
        is_trainers = policy.by == TRAINER
        if policy.action == RESUME and not is_trainers:
            self._orders.pop((policy.strategy, True), None)
        key = (policy.strategy, is_trainers)
        self._orders.setdefault(key, deque(maxlen=ORDERS_KEPT)).append(policy)

    def save(self) -> list[tuple[str, bool, list[bytes]]]:
        """Return every order that is kept, for `load`."""
        return [
            (strategy, is_trainers, [encode(order, "msgpack") for order in orders])
            for (strategy, is_trainers), orders in self._orders.items()
        ]

    def load(self, saved: list[tuple[str, bool, list[bytes]]]) -> None:
        """Go on from what `save` returned."""
        self._orders = {
            (strategy, is_trainers): deque(map(decode, payloads), maxlen=ORDERS_KEPT)
            for strategy, is_trainers, payloads in saved
        }

    def in_force(self, strategy: str, ts: int) -> str | None:
        """Return observe, pass_through or block for a signal of event time `ts`, or None."""
        if not self._orders:
            return None
        for is_trainers in (False, True):
            for policy in reversed(self._orders.get((strategy, is_trainers), ())):
                if policy.effective_ts <= ts:
                    if policy.action != RESUME:
                        return policy.action
                    break
        return None
