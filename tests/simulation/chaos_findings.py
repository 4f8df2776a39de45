"""What a run under load left behind, beside what undisturbed cores say to the same INPUT."""

from collections import defaultdict
from itertools import pairwise
from typing import NamedTuple

from engine.settings import StrategySettings
from streams import codec, topology
from streams.bus import HEADER_ID, Bus, Message
from streams.events import Scored
from streams.intake import event_of
from tests.simulation.recorded import scorers_over

Lanes = dict[str, list[tuple[str, bytes]]]
"""Ids and payloads, in order, by strategy and symbol, or by the subject of a dead letter."""


class Findings(NamedTuple):
    """How many are missing, are there again, come behind a later one, or say something else."""

    lost: int
    repeated: int
    out_of_order: int
    different: int


NOTHING = Findings(0, 0, 0, 0)


def compare(expected: Lanes, found: Lanes) -> Findings:
    lost = repeated = out_of_order = different = 0
    for lane in expected.keys() | found.keys():
        wanted = dict(expected.get(lane, ()))
        place = {one: number for number, one in enumerate(wanted)}
        had = found.get(lane, [])
        ids = [one for one, _ in had]
        lost += len(wanted.keys() - set(ids))
        repeated += len(ids) - len(set(ids))
        places = [place[one] for one in dict.fromkeys(ids) if one in place]
        out_of_order += sum(later < earlier for earlier, later in pairwise(places))
        different += sum(wanted.get(one) != payload for one, payload in had)
    return Findings(lost, repeated, out_of_order, different)


def lane_of(subject: str) -> str:
    """Scored and rejected of one strategy and symbol are one lane."""
    return subject if subject.startswith("dlq.") else subject.split(".", 2)[2]


async def stored(bus: Bus, stream: str) -> list[Message]:
    """Everything that a stream holds."""
    found: list[Message] = []
    last = await bus.last_seq(stream)
    subscription = await bus.read(stream)
    while not found or found[-1].seq < last:
        batch = await subscription.next_batch(10.0)
        assert batch, f"{stream} stopped at {len(found)} of {last}"
        found += batch
    await subscription.close()
    return found


async def stored_lanes(bus: Bus, stream: str) -> Lanes:
    """What was said in a stream."""
    found: Lanes = defaultdict(list)
    for message in await stored(bus, stream):
        if not message.subject.startswith("progress."):
            one = (message.headers[HEADER_ID], message.payload)
            found[lane_of(message.subject)].append(one)
    return found


async def undisturbed(
    bus: Bus, strategies: tuple[StrategySettings, ...], trusted_keys: tuple[str, ...]
) -> tuple[Lanes, Lanes]:
    """The answers, and the dead letters, of one scorer that nobody disturbs."""
    [scorer] = scorers_over([bus], trusted_keys, strategies)
    incarnation = await bus.incarnation(topology.INPUT)
    answers: Lanes = defaultdict(list)
    letters: Lanes = defaultdict(list)
    for message in await stored(bus, topology.INPUT):
        for name, answer in await scorer.answers(message, event_of(message)):
            event = answer.event
            payload = event if isinstance(event, bytes) else codec.encode(event)
            lanes = answers if isinstance(event, Scored) else letters
            lanes[lane_of(answer.subject)].append((f"{incarnation}:{name}", payload))
    return answers, letters
