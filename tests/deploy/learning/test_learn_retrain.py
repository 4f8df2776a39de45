"""What `assay learn` asks for is answered once, by whoever is there; what was killed is resumed."""

import asyncio
from pathlib import Path

import pytest

from deploy.learning import answering
from deploy.learning.learning import Site, cycle, retrain
from deploy.learning.learning_view import answer_lines
from deploy.operations.operator import Operator
from models.registry import Registry
from streams import codec, subjects, topology
from streams.errors import ConfigError
from streams.events import Retrain
from tests.deploy.learning.learning_run import STRATEGY, Market, playing_roles, wait_less
from tests.deploy.operations.registry_stage import Died, MortalBus, audits, deployed, stored
from trainers.retraining.ledger import Ledger

pytestmark = [pytest.mark.broker, pytest.mark.timeout(120)]

ANN = Operator("ann", "says so")


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Market:
    return Market(tmp_path_factory.mktemp("market") / "state")


@pytest.fixture(autouse=True)
def jobs_run_here(monkeypatch: pytest.MonkeyPatch) -> None:
    wait_less(monkeypatch)
    # Leases are short here: whoever died has lost what it held.
    monkeypatch.setattr(answering, "BUSY_PATIENCE_S", 1.0)


@pytest.fixture
def site(nats_bus, broker, market: Market, tmp_path: Path) -> Site:
    return Site(nats_bus, broker.url, market.settings, market.copy(tmp_path / "state"))


async def decisions(site: Site) -> list[tuple[str, bool]]:
    return [(one.request_id, one.is_promoted) for one in await Ledger(site.bus).decisions()]


async def test_a_strategy_without_a_model_gets_one_and_then_nothing_is_due(site):
    report = await retrain(site)
    (answer,) = report.answers
    assert (answer.asked, answer.asked_by, answer.is_promoted) == ("no_model", "learn", True)
    assert not report.is_any_kept
    told, figures = answer_lines(report.answers)
    assert f"promoted {answer.version.removeprefix('synthetic-')}" in told
    assert "no better than the null model" in figures
    pointer = await Registry(site.bus).pointer(STRATEGY)
    assert pointer is not None
    assert pointer.current.version == answer.version
    again = await retrain(site)
    assert (again.asked, again.answers, again.is_any_kept) == ((), (), False)


async def test_a_person_can_have_all_trained_anew_and_is_remembered_once(site):
    await retrain(site)
    reports = [await retrain(site, forced=ANN) for _ in range(2)]
    (answer,) = reports[0].answers
    assert (answer.asked, answer.ts > 0) == ("forced", True)
    # On the very samples of the model in force nothing better is found.
    assert reports[0].is_any_kept
    assert "stays in the shadow" in answer_lines([answer])[0]
    assert reports[1] == reports[0]
    assert len(await decisions(site)) == 2
    (audit,) = await audits(site.bus)
    assert (audit.action, audit.by, audit.why) == ("retrain", "ann", "says so")
    assert answer.request_id in audit.detail


async def test_a_live_trainer_is_waited_for_and_answers_alone(site, broker, market, monkeypatch):
    async with playing_roles(("trainer",), broker.url, market.settings, site.state):
        monkeypatch.setattr(answering, "_worker", None)
        report = await asyncio.wait_for(retrain(site), 60)
    assert [one.is_promoted for one in report.answers] == [True]
    assert len(await deployed(site.bus)) == 1


async def test_two_at_once_come_to_one_decision(site, broker, market, tmp_path):
    other = site._replace(state=market.copy(tmp_path / "other"))
    reports = await asyncio.gather(retrain(site), retrain(other))
    assert {one.is_promoted for report in reports for one in report.answers} == {True}
    assert len(await decisions(site)) == len(await deployed(site.bus)) == 1


@pytest.mark.parametrize(("at", "behind"), [(2, False), (3, True), (4, True), (5, True)])
async def test_what_was_killed_is_carried_out_once_by_the_next_run(site, at, behind):
    with pytest.raises(Died):
        await retrain(site._replace(bus=MortalBus(site.bus, at, behind=behind)))
    await retrain(site)
    ((_, is_promoted),) = await decisions(site)
    assert is_promoted
    assert len(await deployed(site.bus)) == 1
    assert await stored(site.bus, topology.DRIFT, subjects.KEPT) == []


async def test_one_that_was_stopped_gives_its_work_back(site, monkeypatch):
    has_begun = asyncio.Event()

    async def endless(*arguments: object, **options: object) -> None:
        has_begun.set()
        await asyncio.Event().wait()

    asked = Retrain("r-1", STRATEGY, None, "manual", 0, "ann")
    await site.bus.publish(subjects.retrain(STRATEGY), codec.encode(asked))
    with monkeypatch.context() as patched:
        patched.setattr("trainers.retraining.training_jobs.run_in_process", endless)
        running = asyncio.create_task(cycle(site))
        await asyncio.wait_for(has_begun.wait(), 30)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert await decisions(site) == []
    report = await cycle(site)
    assert [(one.request_id, one.is_promoted) for one in report.answers] == [("r-1", True)]
    assert await decisions(site) == [("r-1", True)]


async def test_requests_of_other_strategies_are_not_thrown_away(site):
    asked = Retrain("r-1", "elsewhere", None, "manual", 0, "ann")
    await site.bus.publish(subjects.retrain("elsewhere"), codec.encode(asked))
    with pytest.raises(ConfigError, match="asked for of elsewhere, which --config does not have"):
        await cycle(site)
    assert await stored(site.bus, topology.DLQ) == []
    assert (await site.bus.jetstream.stream_state(topology.RETRAIN)).messages == 1
