"""What the trainer's role makes of requests: which it works on, for whom, and what it records."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.settings import StrategySettings
from models.artifact import save_artifact
from models.registry import Registry, scope_key
from models.settings import MlSettings
from streams import codec, subjects
from streams.events import Retrain
from streams.topology import BUCKET_MODELS
from tests.trainers.house import SKILLED, STRATEGY, House, end_of
from tests.trainers.retraining.shadow_stage import model
from trainers.dataset import DAY_NS
from trainers.retraining.ledger import Ledger
from trainers.settings import TrainSettings


async def test_of_requests_that_pile_up_the_newest_is_worked_on_and_the_rest_are_recorded(
    house: House,
):
    await house.tell(SKILLED)
    for number, days in enumerate((0, 11, 22)):
        ts = end_of(SKILLED) + days * DAY_NS
        request = Retrain(f"r-{number}", STRATEGY, None, "refresh:slope", 0, "drift", ts)
        await house.bus.publish(subjects.retrain(STRATEGY), codec.encode(request))
    async with house.working(house.worker()):
        await house.until_idle()
    assert [kept.verdict["reason"] for kept in await house.kept()] == ["coalesced"] * 2
    assert [d.request_id for d in await house.deployed()] == ["r-2"]
    decisions = await Ledger(house.bus).decisions()
    assert [decision.is_refusal for decision in decisions] == [True, True, False]
    assert [decision.request.request_id for decision in decisions if decision.request] == [
        "r-0",
        "r-1",
        "r-2",
    ]


async def test_a_request_of_a_wrong_clock_is_refused_and_keeps_no_later_one_from_its_answer(
    house: House,
):
    await house.tell(SKILLED)
    known_ts = end_of(SKILLED) + 40 * DAY_NS
    await house.come_to(known_ts)
    times = (known_ts, known_ts + 32 * DAY_NS, 2**61, known_ts + 2 * DAY_NS)
    # All wait when the first is taken: it gives way to none that is refused.
    for number, ts in enumerate(times):
        request = Retrain(f"r-{number}", STRATEGY, None, "refresh:slope", 0, "drift", ts)
        await house.bus.publish(subjects.retrain(STRATEGY), codec.encode(request))
    async with house.working(house.worker()):
        await house.until_idle()
    ledger = Ledger(house.bus)
    found = [await ledger.find(f"r-{number}") for number in range(4)]
    assert [decision is not None and decision.is_refusal for decision in found] == [
        False,
        True,
        True,
        False,
    ]
    refused = found[2]
    assert refused is not None
    assert (refused.reason, refused.cutoff_ts) == ("ahead", known_ts)
    assert [d.request_id for d in await house.deployed()] == ["r-0"]
    assert await house.policies() == []


async def test_a_scope_cools_down_but_a_person_is_heard(house: House):
    await house.tell(SKILLED)
    settings = TrainSettings(learners=("logistic",), cooldown_days=30.0)
    async with house.working(house.worker(settings=settings)):
        for number, by in enumerate(("drift", "drift", "ann")):
            ts = end_of(SKILLED) + number * DAY_NS
            reason = "manual" if by == "ann" else "refresh:slope"
            request = Retrain(f"r-{number}", STRATEGY, None, reason, 0, by, ts)
            await house.bus.publish(subjects.retrain(STRATEGY), codec.encode(request))
        await house.until_idle()
    assert [d.request_id for d in await house.deployed()] == ["r-0"]
    # The same samples make the same model again, which is no better than itself.
    assert [kept.verdict["reason"] for kept in await house.kept()] == [
        "cooldown",
        "not_better_than_champion",
    ]


async def test_a_request_that_kills_whoever_takes_it_is_given_up(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("trainers.retraining.worker.ATTEMPTS_MAX", 0)
    async with house.working(house.worker()):
        await house.ask("r-1", 1, reason="manual")
        await house.until_idle()
    (kept,) = await house.kept()
    assert kept.verdict["reason"] == "gave_up: begun 0 times without an answer"


async def test_a_model_of_a_file_that_was_replaced_can_be_gone_back_to(
    house: House, tmp_path: Path
):
    weak = model(house, 0.0)
    path = save_artifact(weak, tmp_path / "model")
    strategy = StrategySettings(STRATEGY, kind="external", ml=MlSettings(model_path=str(path)))
    await house.tell(SKILLED)
    async with house.working(house.worker(strategies=(strategy,))):
        await house.ask("r-1", end_of(SKILLED), reason="manual")
        await house.until_idle()
    (deployment,) = await house.deployed()
    assert deployment.previous == weak.version
    pointer = await Registry(house.bus).pointer(STRATEGY)
    assert pointer is not None
    assert pointer.previous is not None
    assert pointer.previous.digest == weak.digest
    assert await Registry(house.bus).get(weak.digest) == weak


async def test_a_drift_of_a_symbol_s_own_model_is_answered_for_that_symbol(house: House):
    await house.tell(SKILLED)
    registry = Registry(house.bus)
    for symbol, version in ((None, "wide"), ("S1", "narrow")):
        await registry.point(STRATEGY, symbol, version, "1" * 64, effective_ts=1, expected=0)
    alarm = Retrain(
        "r-1", STRATEGY, None, "drift:slope", 0, "drift", end_of(SKILLED), model="narrow"
    )
    await house.bus.publish(subjects.retrain(STRATEGY), codec.encode(alarm))
    async with house.working(house.worker()):
        await house.until_idle()
    (kept,) = await house.kept()
    assert (kept.symbol, kept.previous) == ("S1", "narrow")
    assert await house.policies() == []


async def test_a_refresh_that_finds_nothing_better_orders_nothing(house: House):
    await house.tell(SKILLED.take(SKILLED.ts <= SKILLED.ts[100]))
    async with house.working(house.worker()):
        await house.ask("r-1", end_of(SKILLED), reason="refresh:slope")
        await house.until_idle()
    assert len(await house.kept()) == 1
    assert await house.policies() == []


async def test_a_job_that_fails_for_a_symbol_s_own_model_is_no_word_on_the_strategy(house: House):
    of_one_symbol = replace(SKILLED, symbols=np.full_like(SKILLED.symbols, "S1"))
    registry = Registry(house.bus)
    await registry.point(STRATEGY, "S1", "narrow", "1" * 64, effective_ts=1, expected=0)
    await house.tell(of_one_symbol)
    alarm = Retrain(
        "r-1", STRATEGY, None, "drift:slope", 0, "drift", end_of(SKILLED), model="narrow"
    )
    await house.bus.publish(subjects.retrain(STRATEGY), codec.encode(alarm))
    dies = (sys.executable, "-c", "raise SystemExit(1)")
    async with house.working(house.worker(job_command=dies)):
        await house.until_idle()
    (kept,) = await house.kept()
    assert str(kept.verdict["reason"]).startswith("job_failed: ")
    assert (kept.symbol, kept.previous) == ("S1", "narrow")
    assert await house.policies() == []


async def test_where_the_pointer_cannot_be_read_the_policy_is_left_as_it_is(house: House):
    await house.bus.key_put(BUCKET_MODELS, scope_key(STRATEGY), b"rubbish")
    async with house.working(house.worker()):
        await house.ask("r-1", 9, reason="manual")
        await house.until_idle()
    (kept,) = await house.kept()
    assert "is not a pointer" in str(kept.verdict["reason"])
    assert await house.policies() == []


async def test_behind_a_drift_no_job_is_started_before_enough_has_happened(house: House):
    await house.tell(SKILLED)
    late = int(SKILLED.ts[-150])
    alarm = Retrain("r-1", STRATEGY, None, "drift:slope", late, "drift", end_of(SKILLED))
    await house.bus.publish(subjects.retrain(STRATEGY), codec.encode(alarm))
    dies = (sys.executable, "-c", "raise SystemExit(1)")
    async with house.working(house.worker(job_command=dies)):
        await house.until_idle()
    (kept,) = await house.kept()
    assert kept.verdict["reason"] == "too_few_outcomes"
    assert kept.verdict["gate_outcomes"] == (SKILLED.ts >= late).sum()
    assert await house.policies() == ["observe"]
