"""Recorded runs to verify, and what a hand could do to a record."""

import msgspec
from msgspec.structs import replace

from engine.labeller import Labeller
from engine.replays.rerun import Rerun
from engine.replays.verifier import Verified, verify
from engine.roles.labeller import LabellerRole
from engine.roles.scorer import ScorerRole
from engine.roles.strategies import StrategiesRole
from engine.scorer import Scorer
from engine.settings import StrategySettings
from engine.strategist import Strategist
from models.feature_set import load_feature_set
from models.registry import Registry
from streams import codec, topology
from streams.bus import Bus, Message
from streams.clock import SystemClock
from streams.memory_bus import MemoryBus
from streams.memory_store import MemoryStore
from streams.session import session
from streams.subjects import SHARDS, shard_of
from tests.simulation.stage import STRATEGIES


def scorers_over(
    buses: list[Bus], trusted_keys: tuple[str, ...], strategies: tuple[StrategySettings, ...]
) -> list[ScorerRole]:
    """One scorer for each bus, each a shard of the symbols."""
    shards = len(buses)
    return [
        ScorerRole(
            bus,
            Scorer(
                strategies,
                load_feature_set(),
                session("us_equity"),
                lambda symbol, shard=shard: shard_of(symbol) * shards // SHARDS == shard,
            ),
            registry=Registry(bus),
            trusted_keys=trusted_keys,
            clock=SystemClock(),
            shard=shard,
            shards=shards,
        )
        for shard, bus in enumerate(buses)
    ]


def rerun_over(
    bus: Bus,
    trusted_keys: tuple[str, ...],
    strategies: tuple[StrategySettings, ...] = STRATEGIES,
) -> Rerun:
    [scorer] = scorers_over([bus], trusted_keys, strategies)
    return Rerun(
        StrategiesRole(bus, Strategist(strategies)),
        scorer,
        LabellerRole(bus, Labeller(strategies, waits_for_scorer=True)),
    )


class Record:
    """A copy of what a MemoryBus holds, to be changed by hand and verified."""

    def __init__(self, bus: MemoryBus, trusted_keys: tuple[str, ...]) -> None:
        held = bus._store
        self.store = MemoryStore(held.clock)
        self.trusted_keys = trusted_keys
        for name, stream in held.streams.items():
            copy = self.store.streams[name]
            copy.messages = dict(stream.messages)
            copy.last_seq = stream.last_seq
        self.store.objects = {name: dict(found) for name, found in held.objects.items()}

    def messages(self, stream: str, prefix: str = "") -> list[Message]:
        held = self.store.streams[stream].messages.values()
        return [message for message in held if message.subject.startswith(prefix)]

    def change(self, stream: str, message: Message, **fields: object) -> None:
        """Let a recorded event have other fields."""
        event = msgspec.structs.replace(codec.decode(message.payload), **fields)
        self.put(stream, replace(message, payload=codec.encode(event)))

    def put(self, stream: str, message: Message) -> None:
        self.store.streams[stream].messages[message.seq] = message

    def remove(self, stream: str, message: Message) -> None:
        del self.store.streams[stream].messages[message.seq]

    def add(self, stream: str, message: Message) -> int:
        return self.store.streams[stream].add(message).seq

    def cut(self, stream: str, last_seq: int) -> None:
        """Let a stream end earlier."""
        held = self.store.streams[stream]
        held.messages = {seq: found for seq, found in held.messages.items() if seq <= last_seq}
        held.last_seq = last_seq

    async def verified(self, span=None, strategies=STRATEGIES) -> Verified:
        bus = MemoryBus(store=self.store)
        before = {name: stream.last_seq for name, stream in self.store.streams.items()}
        found = await verify(bus, rerun_over(bus, self.trusted_keys, strategies), span)
        await bus.close()
        assert before == {name: stream.last_seq for name, stream in self.store.streams.items()}
        return found


def figures(found: Verified) -> dict[str, tuple[int, int, int, int]]:
    """By stream: differing, missing, extra, pending."""
    return {
        line.stream: (line.differing, line.missing, line.extra, line.pending)
        for line in found.verdict.streams
    }


CLEAN = dict.fromkeys((topology.INPUT, topology.SCORED, topology.OUTCOMES), (0, 0, 0, 0))
