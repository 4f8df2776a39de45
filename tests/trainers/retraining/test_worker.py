"""The trainer's role over a bus: every request is answered, once, whatever dies on the way."""

import asyncio
import sys
from pathlib import Path

import pytest

from engine.settings import StrategySettings
from models.artifact import save_artifact
from models.onnx_session import load_model
from models.registry import Registry
from models.settings import MlSettings
from streams import codec, layer_a, subjects, topology
from streams.events import Policy, Progress, Retrain
from streams.memory_bus import MemoryBus
from tests.trainers.house import IN_A_PROCESS, NAMES, PATIENCE_S, SKILLED, STRATEGY, House, end_of
from trainers.dataset import DAY_NS
from trainers.retraining.incumbent import incumbent_of
from trainers.retraining.worker import RetrainWorker
from trainers.settings import TrainSettings

KILLED = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
KILLED_ONCE = """
import os, pathlib, runpy, signal, sys
mark = pathlib.Path(sys.argv[1]) / "died"
if not mark.exists():
    mark.touch()
    os.kill(os.getpid(), signal.SIGKILL)
sys.argv = ["trainers.retraining.job", sys.argv[1]]
runpy.run_module("trainers.retraining.job", run_name="__main__")
"""


async def test_a_request_becomes_a_model_that_a_scorer_accepts(house: House):
    await house.tell(SKILLED)
    async with house.working(house.worker(job_command=IN_A_PROCESS)):
        await house.ask("r-1", end_of(SKILLED))
        await house.until_idle()
    (deployment,) = await house.deployed()
    assert deployment.request_id == "r-1"
    assert deployment.effective_ts == end_of(SKILLED) + 10 * DAY_NS
    assert deployment.previous is None
    assert deployment.verdict["p_value_vs_null"] < 0.1
    registry = Registry(house.bus)
    pointer = await registry.pointer(STRATEGY)
    assert pointer is not None
    assert pointer.current.digest == deployment.digest
    artifact = await registry.get(deployment.digest)
    assert artifact is not None
    model = load_model(artifact, NAMES, (house.signer.public_hex,), deployment.digest)
    assert model.version == deployment.version
    probability, reasons = model.speak(SKILLED.x[0])
    assert probability is not None, reasons
    assert 0.0 < probability < 1.0
    assert await house.policies() == []


async def test_the_same_request_twice_is_answered_once(house: House):
    await house.tell(SKILLED)
    async with house.working(house.worker()):
        for _ in range(2):
            await house.ask("r-1", end_of(SKILLED))
        await house.until_idle()
    assert len(await house.deployed()) == 1
    pointer = await Registry(house.bus).pointer(STRATEGY)
    assert pointer is not None
    assert pointer.history == ()


async def test_labels_of_after_the_request_have_no_part_in_the_model(house: House, tmp_path: Path):
    early = SKILLED.take(SKILLED.exit_ts <= SKILLED.exit_ts[749])
    other = House(tmp_path / "other")
    for each, samples in ((house, SKILLED), (other, early)):
        await each.tell(samples)
        async with each.working(each.worker()):
            await each.ask("r-1", end_of(early))
            await each.until_idle()
    ((first,), (second,)) = await house.deployed(), await other.deployed()
    assert first.digest == second.digest != ""


async def test_a_job_that_was_killed_is_tried_again(house: House):
    await house.tell(SKILLED)
    async with house.working(house.worker(job_command=(sys.executable, "-c", KILLED_ONCE))):
        await house.ask("r-1", end_of(SKILLED))
        await house.until_idle()
    assert len(await house.deployed()) == 1


async def test_a_job_that_always_dies_keeps_the_model_and_says_why(house: House):
    await house.tell(SKILLED.take(SKILLED.ts <= SKILLED.ts[50]))
    async with house.working(house.worker(job_command=(sys.executable, "-c", KILLED))):
        await house.ask("r-1", end_of(SKILLED))
        await house.until_idle()
    (kept,) = await house.kept()
    assert kept.verdict["reason"].startswith("job_failed: the training job failed 2 times")
    assert "exit code -9" in kept.verdict["reason"]
    assert kept.digest == ""
    assert await house.deployed() == []


async def test_two_workers_and_two_requests_make_one_promotion(house: House):
    await house.tell(SKILLED)
    workers = [house.worker(shard) for shard in (0, 1)]
    async with house.working(*workers):
        await house.ask("r-1", end_of(SKILLED))
        await house.ask("r-2", end_of(SKILLED))
        await house.until_idle()
    assert len(await house.deployed()) == 1
    (kept,) = await house.kept()
    assert kept.verdict["reason"] in {"overtaken", "too_few_outcomes", "not_better_than_champion"}


async def test_a_worker_that_dies_behind_its_decision_is_finished_by_the_next(
    house: House, monkeypatch
):
    await house.tell(SKILLED)

    class Died(Exception):
        pass

    async def die(*arguments, **options):
        raise Died

    worker = house.worker()
    monkeypatch.setattr(worker._publishing, "_publish", die)
    await house.ask("r-1", end_of(SKILLED))
    with pytest.raises(Died):
        await worker.run(asyncio.Event())
    assert await house.deployed() == []
    # The decision and the pointer stand; the next worker trains nothing.
    async with house.working(house.worker(job_command=(sys.executable, "-c", KILLED))):
        await house.ask("r-1", end_of(SKILLED))
        async with asyncio.timeout(PATIENCE_S):
            while not await house.deployed():
                await asyncio.sleep(0.05)
    (deployment,) = await house.deployed()
    pointer = await Registry(house.bus).pointer(STRATEGY)
    assert pointer is not None
    assert pointer.current.digest == deployment.digest


async def test_a_first_model_without_skill_stands_aside_until_a_later_one_is_promoted(
    house: House,
):
    few = SKILLED.take(SKILLED.exit_ts <= SKILLED.exit_ts[200])
    await house.tell(SKILLED)
    async with house.working(house.worker()):
        await house.ask("r-1", end_of(few))
        await house.until_idle()
        assert await house.policies() == ["observe"]
        await house.ask("r-2", end_of(SKILLED))
        await house.until_idle()
    assert await house.policies() == ["observe", "resume"]
    assert (await house.kept())[0].verdict["reason"] == "too_few_samples"


async def test_a_model_of_one_symbol_has_no_say_in_the_policy_of_all(house: House):
    request = Retrain("r-1", STRATEGY, "S1", "drift:slope", 0, "test", end_of(SKILLED))
    await house.bus.publish(subjects.retrain(STRATEGY), codec.encode(request))
    async with house.working(house.worker()):
        await house.until_idle()
    assert len(await house.kept()) == 1
    assert await house.policies() == []


async def test_what_an_operator_stopped_stays_stopped(house: House):
    await house.tell(SKILLED)
    halt = Policy(STRATEGY, "block", by="ops", why="halt")
    await house.bus.publish(subjects.policy(STRATEGY), codec.encode(halt))
    async with house.working(house.worker()):
        await house.ask("r-1", end_of(SKILLED))
        await house.until_idle()
    assert len(await house.deployed()) == 1
    assert await house.policies() == ["block"]


async def test_progress_follows_the_drift_monitor_behind_its_requests(house: House):
    await house.tell(SKILLED)
    await house.ask("r-1", end_of(SKILLED))
    vouched = Progress("drift", 0, end_of(SKILLED), 1)
    await house.bus.publish(subjects.progress("drift", 0), codec.encode(vouched))
    async with house.working(house.worker()):
        async with asyncio.timeout(PATIENCE_S):
            while not await house.stored(topology.DRIFT, "progress.trainer.>"):
                await asyncio.sleep(0.05)
        assert len(await house.deployed()) == 1
    (progress, *_) = await house.stored(topology.DRIFT, "progress.trainer.>")
    assert progress.event_ts == end_of(SKILLED)


async def test_requests_that_cannot_be_honoured_are_dead_letters(house: House):
    unknown = Retrain("r-1", "other", None, "manual", 0, "test", 1)
    await house.bus.publish(subjects.retrain("other"), codec.encode(unknown))
    await house.bus.publish(subjects.retrain(STRATEGY), b"not an event")
    await house.bus.publish(
        subjects.retrain(STRATEGY), codec.encode(Policy(STRATEGY, "block", by="", why=""))
    )
    async with house.working(house.worker()):
        await house.until_idle()
    assert await house.bus.last_seq(topology.DLQ) == 3


async def test_a_pinned_model_is_left_in_force(house: House):
    worker = RetrainWorker(
        house.bus.handle(),
        (StrategySettings(STRATEGY, kind="external", ml=MlSettings(pinned=True)),),
        layer_a.FEATURE_NAMES,
        settings=TrainSettings(),
        database_path=house.folder / "features.db",
        folder=house.folder,
        signer=house.signer,
    )
    async with house.working(worker):
        await house.ask("r-1", 1)
        await house.until_idle()
    assert [kept.verdict["reason"] for kept in await house.kept()] == ["pinned"]


async def test_stopping_ends_the_job_and_gives_the_request_back(house: House):
    await house.tell(SKILLED.take(SKILLED.ts <= SKILLED.ts[50]))
    sleeping = "import pathlib, sys, time; pathlib.Path(sys.argv[1], 'up').touch(); time.sleep(60)"
    async with house.working(house.worker(job_command=(sys.executable, "-c", sleeping))):
        await house.ask("r-1", 1)
        async with asyncio.timeout(PATIENCE_S):
            while not list(house.folder.rglob("up")):
                await asyncio.sleep(0.05)
    queue = await house.bus.work_queue(topology.RETRAIN, "trainers")
    assert await queue.pending() == 1
    work = await queue.next(1.0)
    assert work is not None
    assert work.deliveries == 2


async def test_a_promotion_that_lost_its_race_is_kept(house: House, monkeypatch):
    await house.tell(SKILLED)
    worker = house.worker()
    decide = worker._decider.decide

    async def overtaken(*arguments):
        decision = await decide(*arguments)
        await Registry(house.bus).point(
            STRATEGY, None, "other", "0" * 64, effective_ts=1, expected=0, request_id="r-0"
        )
        return decision

    monkeypatch.setattr(worker._decider, "decide", overtaken)
    async with house.working(worker):
        await house.ask("r-1", end_of(SKILLED))
        await house.until_idle()
    assert await house.deployed() == []
    assert [kept.verdict["reason"] for kept in await house.kept()] == ["overtaken"]
    pointer = await Registry(house.bus).pointer(STRATEGY)
    assert pointer is not None
    assert pointer.current.version == "other"


async def test_a_drift_of_the_predecessor_asks_nothing_of_the_model_that_replaces_it(house: House):
    await house.tell(SKILLED)
    async with house.working(house.worker()):
        await house.ask("r-1", end_of(SKILLED))
        await house.ask("r-2", end_of(SKILLED) + DAY_NS, reason="drift:slope")
        await house.until_idle()
    assert [kept.verdict["reason"] for kept in await house.kept()] == ["superseded"]
    assert await house.policies() == []


async def test_a_confirmed_drift_without_a_better_model_stands_aside_from_the_delay_on(
    house: House,
):
    await house.tell(SKILLED)
    drifted_ts = end_of(SKILLED) + 10 * DAY_NS
    async with house.working(house.worker()):
        await house.ask("r-1", end_of(SKILLED))
        await house.until_idle()
        await house.bus.publish(subjects.policy(STRATEGY), b"not a policy")
        since_ts = int(SKILLED.ts[850])
        await house.ask("r-2", drifted_ts, reason="drift:slope", since_ts=since_ts)
        await house.until_idle()
    subscription = await house.bus.read(topology.INPUT, 1, (subjects.POLICY,))
    _, message = await subscription.next_batch(1.0)
    policy = codec.decode(message.payload)
    assert (policy.action, policy.by) == ("observe", "trainer")
    assert policy.effective_ts == drifted_ts + 10 * DAY_NS
    assert policy.why == "drift:slope: too_few_outcomes"


async def test_the_model_of_the_configured_path_is_the_first_champion(house: House):
    await house.tell(SKILLED)
    async with house.working(house.worker()):
        await house.ask("r-1", end_of(SKILLED))
        await house.until_idle()
    (deployment,) = await house.deployed()
    artifact = await Registry(house.bus).get(deployment.digest)
    assert artifact is not None
    settings = StrategySettings(
        STRATEGY, ml=MlSettings(model_path=str(save_artifact(artifact, house.folder / "model")))
    )
    request = Retrain("r-2", STRATEGY, None, "manual", 0, "test", end_of(SKILLED))
    found = await incumbent_of(Registry(MemoryBus()), settings, request)
    assert found.artifact == artifact
    assert (found.version, found.revision) == (deployment.version, 0)
    gone = StrategySettings(STRATEGY, ml=MlSettings(model_path=str(house.folder / "nothing")))
    found = await incumbent_of(Registry(MemoryBus()), gone, request)
    assert found.artifact is None
    assert "cannot be read" in found.missing
