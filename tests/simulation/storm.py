"""Many strategies whose models fail at once, and everybody asks for new ones.

Each strategy has samples of Layer A whose law turns round half way, a model that is in force, and
a burst of requests: the drift role's alarm, then repeats of it and what others ask for, all within
the cooldown. One of them is to be answered by a new model's trial, the rest in a word.
"""

import dataclasses
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec.structs import replace

from models.artifact import Artifact
from models.registry import Registry
from streams import codec, subjects
from streams.bus import Bus
from streams.events import Deployment, Retrain
from tests.trainers.events import events_of
from tests.trainers.samples import START_TS, layer_a_dataset
from trainers.database.feature_database import FeatureDatabase
from trainers.dataset import DAY_NS, Dataset
from trainers.retraining.ledger import Decision
from trainers.retraining.refusals import COALESCED, COOLDOWN, SUPERSEDED
from trainers.retraining.request import RETRAIN
from trainers.sample import sample_of

HOUR_NS = DAY_NS // 24
REPEATS_WITHIN_COOLDOWN_MAX = 22
REFUSED = {COALESCED, COOLDOWN, SUPERSEDED}
IN_FORCE_TS = START_TS
TIMES = ("ts", "entry_ts", "exit_ts")


def drifted(seed: int, count: int, names: Sequence[str], *, days_later: int = 0) -> Dataset:
    """Layer A under `names`: `count` samples, reversed from the middle on."""
    drawn = layer_a_dataset(count, seed, drift="FLIP", drift_at=count // 2)
    times = {name: getattr(drawn, name) + days_later * DAY_NS for name in TIMES}
    return dataclasses.replace(drawn, names=tuple(names), **times)


def prefill(location: str | Path, samples: dict[str, Dataset]) -> None:
    """Put the samples of every strategy into the feature database."""
    with FeatureDatabase(location) as database:
        for strategy, data in samples.items():
            database.register_names(data.names)
            database.add(sample_of(*pair) for pair in events_of(data, strategy))


async def put_in_force(bus: Bus, strategy: str, artifact: Artifact) -> None:
    """Store a model, point to it and tell it."""
    registry = Registry(bus)
    digest = await registry.put(artifact)
    await registry.point(
        strategy, None, artifact.version, digest, effective_ts=IN_FORCE_TS, expected=0
    )
    event = Deployment(strategy, None, artifact.version, digest, IN_FORCE_TS, None, {})
    await bus.publish(subjects.deployed(strategy), codec.encode(event))


def burst(strategy: str, data: Dataset, model: str, repeats: int) -> list[Retrain]:
    """The alarm over `model`, and `repeats` requests behind it, by event time within a day."""
    assert repeats <= REPEATS_WITHIN_COOLDOWN_MAX
    ts = int(data.exit_ts.max())
    since_ts = int(data.ts[len(data) // 2])
    alarm = Retrain(
        f"{strategy}-alarm", strategy, None, "drift:slope", since_ts, "drift", ts, RETRAIN, model
    )
    kinds = (
        {},  # The same once more: nothing to decide.
        {"reason": "refresh:slope"},
        {"reason": "drift:adwin"},
        {"reason": "schedule", "requested_by": "cron", "ts": ts},
        {"reason": "calibration:intercept", "action": "recalibrate"},
        {"reason": "drift:slope", "requested_by": "desk", "model": ""},
        {"reason": "schedule", "requested_by": "cron", "ts": ts - HOUR_NS},
    )
    requests = [alarm]
    for number in range(repeats):
        changes = kinds[number % len(kinds)]
        own = {"request_id": f"{strategy}-{number}", "ts": ts + (number + 1) * HOUR_NS}
        requests.append(replace(alarm, **own | changes) if changes else alarm)
    return requests


def shuffled(bursts: Iterable[Sequence[Retrain]], seed: int) -> list[Retrain]:
    """All bursts in one another's way, each in its own order."""
    left = [list(reversed(one)) for one in bursts]
    turns = [number for number, one in enumerate(left) for _ in one]
    random.Random(seed).shuffle(turns)
    return [left[number].pop() for number in turns]


async def ask(bus: Bus, requests: Iterable[Retrain]) -> None:
    """Put requests into the queue as fast as it takes them."""
    for request in requests:
        await bus.send(subjects.retrain(request.strategy), codec.encode(request))
    await bus.flush()


def check_answers(requests: Iterable[Retrain], decisions: Sequence[Decision]) -> None:
    """Every request has one decision that is out; of each strategy one was worked on."""
    asked = {request.request_id: request for request in requests}
    assert Counter(d.request_id for d in decisions) == Counter(list(asked))
    assert all(decision.is_out for decision in decisions)
    refused = Counter(decision.reason for decision in decisions if decision.is_refusal)
    assert refused.keys() <= REFUSED, f"refused: {refused}"
    worked_on = Counter(asked[d.request_id].strategy for d in decisions if not d.is_refusal)
    wrong = {name: worked_on[name] for name in {r.strategy for r in asked.values()}}
    wrong = {name: count for name, count in wrong.items() if count != 1}
    assert not wrong, f"worked on, by strategy, other than once: {wrong}"
