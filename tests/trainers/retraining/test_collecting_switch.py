"""What a trainer collects, and under which parameters; without, it answers from what is there."""

from engine.context_settings import ContextSettings
from engine.settings import StrategySettings
from tests.trainers.house import NAMES, SKILLED, STRATEGY, House, end_of
from trainers.database.feature_database import FeatureDatabase
from trainers.database.provenance import params_digest_of


async def test_a_trainer_that_does_not_collect_answers_and_adds_no_sample(house: House):
    await house.tell(SKILLED)
    async with house.working(house.worker(collects=False)):
        await house.ask("r-1", end_of(SKILLED))
        await house.until_idle()
    assert await house.deployed() == []
    [kept] = await house.kept()
    assert kept.verdict["reason"] == "too_few_samples"
    with FeatureDatabase(house.folder / "features.db") as database:
        assert database.count(STRATEGY) == 0


async def test_samples_from_before_serve_a_trainer_that_does_not_collect(house: House):
    await house.tell(SKILLED)
    async with house.working(house.worker()):
        await house.ask("r-1", end_of(SKILLED), "initial")
        await house.until_idle()
    async with house.working(house.worker(collects=False)):
        await house.ask("r-2", end_of(SKILLED) + 1, "manual")
        await house.until_idle()
    decisions = [*await house.deployed(), *await house.kept()]
    [again] = [each for each in decisions if each.request_id == "r-2"]
    assert again.verdict["samples"] == len(SKILLED)


async def test_samples_off_the_stream_are_of_the_runs_context_as_those_of_its_history(house: House):
    context = ContextSettings(market="SPY")
    await house.tell(SKILLED)
    async with house.working(house.worker(context=context)):
        await house.ask("r-1", end_of(SKILLED))
        await house.until_idle()
    digest = params_digest_of(StrategySettings(STRATEGY, kind="external"), context)
    with FeatureDatabase(house.folder / "features.db") as database:
        assert len(database.read(STRATEGY, NAMES, params_digest=digest)) == len(SKILLED)
