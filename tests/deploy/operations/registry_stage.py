"""A bus whose trainer has made models already, and what stands on it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from deploy.operations.operator import Operator
from models.artifact import Artifact
from models.registry import Registry
from streams import codec, subjects, topology
from streams.bus import Bus
from streams.events import Deployment, Drift, Retrain
from tests.engine.market import DAY_NS, START_NS, random_bars
from tests.models.tiny_model import tiny_artifact
from trainers.retraining.ledger import Decision, Ledger
from trainers.retraining.publishing import Publishing

STRATEGY = "alpha"
BARS = random_bars(count=30)
NOW = BARS[-1].ts


def model(weight: float, strategy: str = STRATEGY, **changes: Any) -> Artifact:
    return tiny_artifact(("ibs", "signal_score"), (weight, 1.0), -1.0, strategy=strategy, **changes)


def asked_for(request_id: str, day: int, reason: str = "manual", **changes: Any) -> Retrain:
    asked = Retrain(request_id, STRATEGY, None, reason, 0, "ann", START_NS + day * DAY_NS)
    return msgspec.structs.replace(asked, **changes)


async def decide(
    bus: Bus,
    artifact: Artifact,
    asked: Retrain,
    *,
    promoted: bool = True,
    symbol: str | None = None,
    strategy: str = STRATEGY,
) -> Decision:
    """Decide as the trainer does: promoted, or kept and put in the shadow."""
    pointer = await Registry(bus).pointer(strategy, symbol)
    digest = await Registry(bus).put(artifact)
    made = Deployment(
        strategy,
        symbol,
        artifact.version,
        digest,
        asked.ts,
        pointer.current.version if pointer else None,
        {"reason": "better" if promoted else "not_better", "requested": asked.reason, "p": 0.03},
        asked.request_id,
    )
    decision = Decision(
        request_id=asked.request_id,
        deployment=made,
        is_promoted=promoted,
        expected=pointer.revision if pointer else 0,
        request=asked,
        cutoff_ts=asked.ts,
        champion=pointer.current.digest if pointer else "",
    )
    ledger = Ledger(bus)
    stands, is_fresh = await ledger.decide(decision)
    return await Publishing(bus, ledger).carry_out(stands, is_fresh=is_fresh)


FIRST, SECOND, SHADOWED, OTHERS = (model(weight) for weight in range(4))
ANN = Operator("ann", "because")
BOB = Operator("bob", "no, this")


async def staged(bus: Bus) -> Bus:
    """FIRST was in force, SECOND is, SHADOWED is a challenger that was kept."""
    await publish_bars(bus)
    await decide(bus, FIRST, asked_for("r-1", 2, "initial"))
    await decide(bus, SECOND, asked_for("r-2", 5, "drift:slope"))
    await decide(bus, SHADOWED, asked_for("r-3", 8), promoted=False)
    return bus


async def publish_bars(bus: Bus) -> None:
    for bar in BARS:
        await bus.publish(subjects.bar("1d", bar.symbol), codec.encode(bar))


async def publish_drift(bus: Bus, ts: int, **changes: Any) -> Drift:
    drift = Drift(STRATEGY, None, "detected", "ranking", "slope", 12e3, 1e4, 700, 7, 1e4, None, ts)
    drift = msgspec.structs.replace(drift, **changes)
    await bus.publish(subjects.drift(STRATEGY), codec.encode(drift))
    return drift


async def stored(bus: Bus, stream: str, *wanted: str) -> list[Any]:
    subscription = await bus.read(stream, 1, wanted)
    found: list[Any] = []
    while batch := await subscription.next_batch(0.02):
        found += [codec.decode(message.payload) for message in batch]
    await subscription.close()
    return found


async def deployed(bus: Bus) -> list[Deployment]:
    return await stored(bus, topology.INPUT, subjects.DEPLOYED)


async def audits(bus: Bus) -> list[Any]:
    return await stored(bus, topology.AUDIT)


class Died(Exception):
    """The process that held this bus was killed."""


class MortalBus:
    """A bus on which something happens at the n-th write, and which lets others in at every step.

    `meanwhile` is done before that write; without it the process dies, before or behind the write.
    """

    WRITES = ("publish", "key_put", "object_put")
    STEPS = (*WRITES, "key_get", "keys", "read", "last_seq")

    def __init__(
        self,
        bus: Bus,
        at_write: int = -1,
        *,
        behind: bool = False,
        meanwhile: Callable[[], Awaitable[Any]] | None = None,
    ) -> None:
        self._bus = bus
        self._left = at_write
        self._behind = behind
        self._meanwhile = meanwhile

    def __getattr__(self, name: str) -> Any:
        step = getattr(self._bus, name)
        if name not in self.STEPS:
            return step

        async def stepped(*arguments: Any, **options: Any) -> Any:
            await asyncio.sleep(0)
            # A lease is renewed by the clock, and is nothing that is to be done once.
            is_write = name in self.WRITES and topology.BUCKET_LEASES not in arguments
            self._left -= is_write
            is_time = self._left == 0 and is_write
            if is_time and self._meanwhile is not None:
                await self._meanwhile()
                return await step(*arguments, **options)
            if is_time and not self._behind:
                raise Died
            done = await step(*arguments, **options)
            if is_time:
                raise Died
            return done

        return stepped
