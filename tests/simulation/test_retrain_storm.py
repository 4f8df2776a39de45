"""The models of many strategies fail at once and everybody asks: each is retrained once."""

from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.settings import StrategySettings
from streams import layer_a, topology
from streams.events import Retrain
from streams.topology import QUEUED_PER_STRATEGY_MAX
from tests.models.tiny_model import tiny_artifact
from tests.simulation.storm import (
    REPEATS_WITHIN_COOLDOWN_MAX,
    ask,
    burst,
    check_answers,
    drifted,
    prefill,
    put_in_force,
    shuffled,
)
from tests.trainers.house import House, run_job_here
from tests.trainers.samples import START_TS
from trainers.dataset import DAY_NS
from trainers.retraining.ledger import Decision, Ledger
from trainers.retraining.refusals import COALESCED, COOLDOWN, SUPERSEDED

STRATEGIES = tuple(f"s{number}" for number in range(6))
SAMPLES = 1_600
SECOND_NS = 1_000_000_000
EFFECTS = (0.43, -0.35, 0.27, -0.2)
"""Of Layer A before it turns round; of the opposite signs behind."""


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr("trainers.retraining.training_jobs.run_in_process", run_job_here)
    return House(tmp_path)


async def test_strategies_that_drift_at_once_are_each_retrained_once(house: House):
    bursts = await furnished(house, REPEATS_WITHIN_COOLDOWN_MAX)
    requests = shuffled(bursts, seed=7)
    await ask(house.bus, requests)
    assert await queued(house) == Counter(request.strategy for request in requests)
    decisions = await answered(house)
    check_answers(requests, decisions)
    worked_on = {decision.request_id for decision in decisions if not decision.is_refusal}
    assert worked_on == {one[0].request_id for one in bursts}
    assert {d.reason for d in decisions if d.is_refusal} == {COALESCED, COOLDOWN, SUPERSEDED}
    # Every second strategy has a model that was wrong before and is right now: it stays.
    promoted = {d.deployment.strategy for d in decisions if d.is_promoted}
    assert promoted == set(STRATEGIES[1::2])
    assert {d.deployment.strategy for d in decisions if d.reason == SUPERSEDED} == promoted
    deployed = [event for event in await house.deployed() if event.request_id]
    assert sorted(event.strategy for event in deployed) == sorted(promoted)
    kept = [event.request_id for event in await house.kept()]
    assert sorted(kept) == sorted(d.request_id for d in decisions if not d.is_promoted)


async def test_a_flood_of_one_strategy_is_bounded_and_keeps_no_other_waiting(house: House):
    bursts = await furnished(house, 4)
    loud, *others = bursts
    flood = [
        replace(loud[0], request_id=f"flood-{number}", ts=loud[0].ts + number * SECOND_NS)
        for number in range(3 * QUEUED_PER_STRATEGY_MAX)
    ]
    await ask(house.bus, shuffled([flood, *others], seed=7))
    left = flood[-QUEUED_PER_STRATEGY_MAX:]
    requests = [request for one in (left, *others) for request in one]
    assert await queued(house) == Counter(request.strategy for request in requests)
    check_answers(requests, await answered(house))


async def queued(house: House) -> Counter[str]:
    """How many requests of each strategy wait."""
    return Counter(request.strategy for request in await house.stored(topology.RETRAIN))


async def answered(house: House) -> list[Decision]:
    """Let a trainer answer all that waits."""
    strategies = tuple(StrategySettings(name, kind="external") for name in STRATEGIES)
    async with house.working(house.worker(strategies=strategies)):
        await house.until_idle()
    return await Ledger(house.bus).decisions()


async def furnished(house: House, repeats: int) -> list[list[Retrain]]:
    """Samples, models in force, and the bursts that are to come."""
    samples = {
        strategy: drifted(number, SAMPLES, layer_a.FEATURE_NAMES)
        for number, strategy in enumerate(STRATEGIES)
    }
    prefill(house.folder / "features.db", samples)
    bursts = []
    for number, (strategy, data) in enumerate(samples.items()):
        sign = 1.0 if number % 2 else -1.0
        champion = tiny_artifact(
            layer_a.FEATURE_NAMES[: len(EFFECTS)],
            tuple(sign * effect for effect in EFFECTS),
            -0.2,
            strategy=strategy,
            signer=house.signer,
            training_from_ts=START_TS,
            training_to_ts=START_TS + DAY_NS,
        )
        await put_in_force(house.bus, strategy, champion)
        bursts.append(burst(strategy, data, champion.version, repeats))
    return bursts
