"""The registry's operations: each has its effect once, says who and why, and can be refused."""

import asyncio
import json

import pytest

from deploy.cli import execute
from deploy.operations.known_models import find_model, known_models
from deploy.operations.lineage import lineage_of
from deploy.operations.model_shelf import aged, model_lines
from deploy.operations.model_table import models_table
from deploy.operations.operation_log import log_of
from deploy.operations.operations import expire, finish_left, hold, promote, roll_back
from deploy.operations.recorded import newest_event_ts
from deploy.utc_time import utc_time
from engine.canaries import is_chosen
from engine.policies import TRAINER
from engine.roles.scorer import ScorerRole
from engine.settings import StrategySettings
from models.registry import Registry
from models.settings import MlSettings
from streams import codec, subjects, topology
from streams.clock import SystemClock
from streams.errors import AssayError, ConfigError, ModelError
from streams.events import Policy
from tests.deploy.operations.registry_stage import (
    ANN,
    BARS,
    BOB,
    FIRST,
    NOW,
    SECOND,
    SHADOWED,
    STRATEGY,
    asked_for,
    audits,
    decide,
    deployed,
    model,
    publish_bars,
    staged,
    stored,
)
from tests.engine.market import DAY_NS, START_NS, signal_on
from tests.models.tiny_model import TEST_SIGNER
from tests.simulation.stage import make_scorer, playing


@pytest.fixture
async def bus(memory_bus):
    return await staged(memory_bus)


async def current(bus, symbol: str | None = None) -> str:
    pointer = await Registry(bus).pointer(STRATEGY, symbol)
    assert pointer is not None
    return pointer.current.version


async def test_a_challenger_from_the_shadow_is_promoted_by_the_start_of_its_name(bus):
    done = await promote(bus, SHADOWED.digest[:8], ANN)
    assert (done.version, done.previous, done.effective_ts) == (
        SHADOWED.version,
        SECOND.version,
        NOW,
    )
    assert await current(bus) == SHADOWED.version
    last = (await deployed(bus))[-1]
    assert (last.digest, last.share, last.effective_ts) == (SHADOWED.digest, 1.0, NOW)
    assert (last.by, last.why, last.previous) == ("ann", "because", SECOND.version)
    (audit,) = await audits(bus)
    assert (audit.action, audit.version, audit.by, audit.why) == (
        *("promote", SHADOWED.version),
        *ANN,
    )


async def test_a_rollback_brings_the_one_before_back_and_a_second_one_undoes_it(bus):
    assert (await roll_back(bus, STRATEGY, None, ANN)).version == FIRST.version
    assert await current(bus) == FIRST.version
    assert (await roll_back(bus, STRATEGY, None, BOB)).version == SECOND.version
    assert [one.by for one in await audits(bus)] == ["ann", "bob"]


async def test_a_canary_stands_beside_the_model_in_force_and_can_be_ended(bus):
    done = await promote(bus, SHADOWED.version, ANN, share=0.25)
    assert done.share == 0.25
    assert await current(bus) == SECOND.version
    (line,) = await model_lines(bus)
    assert (line.canary, line.canary_share) == (SHADOWED.version, 0.25)
    with pytest.raises(ModelError, match=f"alpha has {SHADOWED.version}"):
        await promote(bus, FIRST.version, ANN, share=0.0)
    await promote(bus, SHADOWED.version, ANN, share=0.0)
    (line,) = await model_lines(bus)
    assert (line.canary, line.version) == ("", SECOND.version)
    with pytest.raises(ModelError, match="alpha has none"):
        await promote(bus, SHADOWED.version, ANN, share=0.0)
    assert [one.share for one in (await deployed(bus))[2:]] == [0.25, 0.0]
    assert [one.detail for one in await audits(bus)] == ["canary of 0.25", "canary ended"]


async def test_what_is_pinned_stays_until_it_is_unpinned(bus):
    await hold(bus, STRATEGY, None, ANN, pinned=True)
    (line,) = await model_lines(bus)
    assert line.pinned
    for attempt in (
        promote(bus, SHADOWED.version, BOB),
        roll_back(bus, STRATEGY, None, BOB),
        expire(bus, STRATEGY, None, BOB),
    ):
        with pytest.raises(ModelError, match="pinned"):
            await attempt
    assert len(await deployed(bus)) == 2
    again = await hold(bus, STRATEGY, None, ANN, pinned=True)
    assert not again.changed
    await hold(bus, STRATEGY, None, BOB, pinned=False)
    await promote(bus, SHADOWED.version, BOB)
    assert [(a.action, a.by) for a in await audits(bus)] == [
        ("pin", "ann"),
        ("unpin", "bob"),
        ("promote", "bob"),
    ]


async def test_expired_nobody_speaks_until_a_model_is_brought_back(bus):
    done = await expire(bus, STRATEGY, None, ANN)
    assert (done.digest, done.previous) == ("", SECOND.version)
    last = (await deployed(bus))[-1]
    assert last.digest == ""
    with pytest.raises(ModelError, match="nobody speaks for alpha already"):
        await expire(bus, STRATEGY, None, ANN)
    assert (await roll_back(bus, STRATEGY, None, ANN)).version == SECOND.version


async def test_a_strategys_model_may_be_put_in_force_for_one_symbol(bus):
    await promote(bus, SHADOWED.version, ANN, symbol="AAA")
    assert await current(bus) == SECOND.version
    assert await current(bus, "AAA") == SHADOWED.version
    with pytest.raises(ModelError, match="nothing to roll back to: alpha on AAA"):
        await roll_back(bus, STRATEGY, "AAA", ANN)


async def test_a_symbols_model_speaks_for_no_other(bus):
    own = model(9, symbol="AAA")
    await decide(bus, own, asked_for("r-9", 9, symbol="AAA"), promoted=False, symbol="AAA")
    with pytest.raises(ConfigError, match="is a model of alpha on AAA, it cannot speak"):
        await promote(bus, own.version, ANN, symbol="BBB")
    assert (await promote(bus, own.version, ANN)).symbol == "AAA"


async def test_a_version_of_another_strategy_is_refused(bus):
    # Somebody wrote another strategy's model into a decision of this one.
    stranger = model(1, strategy="beta")
    await decide(bus, stranger, asked_for("r-x", 9), promoted=False)
    with pytest.raises(ConfigError, match="is a model of beta, it cannot speak for alpha"):
        await promote(bus, stranger.version, ANN)
    assert len(await deployed(bus)) == 2


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("alpha-ffffffffffff", "no model in the registry is called 'alpha-ffffffffffff'"),
        ("alpha", "is the start of several models: alpha-"),
        ("", "is called ''"),
        ("\x1b[2J\n" + "x" * 5000, r"is called '\?\[2J x{70,}…'"),
        ("../../etc/passwd", "is called '../../etc/passwd'"),
    ],
)
async def test_a_name_that_is_none_or_not_enough_changes_nothing(bus, name, told):
    with pytest.raises(ConfigError, match=told):
        await promote(bus, name, ANN)
    assert len(await deployed(bus)) == 2


async def test_an_empty_registry_says_so(memory_bus):
    assert await model_lines(memory_bus) == ()
    assert await log_of(memory_bus, None) == []
    assert await finish_left(memory_bus) == 0
    for attempt in (
        promote(memory_bus, "alpha-1", ANN),
        roll_back(memory_bus, STRATEGY, None, ANN),
        expire(memory_bus, STRATEGY, None, ANN),
        hold(memory_bus, STRATEGY, None, ANN, pinned=True),
        lineage_of(memory_bus, "alpha-1"),
    ):
        with pytest.raises(ConfigError, match=r"is called|is not known"):
            await attempt


async def test_what_is_in_force_is_not_promoted_again(bus):
    with pytest.raises(ModelError, match="in force already"):
        await promote(bus, SECOND.version, ANN)


async def test_a_model_that_the_store_has_lost_is_not_promoted(bus):
    lost = model(11)
    await decide(bus, lost, asked_for("r-l", 9), promoted=False)
    bus._store.objects_of(topology.STORE_MODELS).clear()
    with pytest.raises(ModelError, match="known by name only"):
        await promote(bus, lost.version, ANN)


async def test_what_a_person_promotes_lifts_the_trainers_policy_and_no_persons(bus):
    for by, lifted in ((TRAINER, ["observe", "resume"]), ("bob", ["observe", "resume", "block"])):
        action = "observe" if by == TRAINER else "block"
        policy = Policy(STRATEGY, action, by, "why")
        await bus.publish(subjects.policy(STRATEGY), codec.encode(policy))
        await roll_back(bus, STRATEGY, None, ANN)
        found = [one.action for one in await stored(bus, topology.INPUT, subjects.POLICY)]
        assert found == lifted


async def test_scorers_follow_what_operators_decide(bus):
    settings = StrategySettings(STRATEGY, kind="external", ml=MlSettings(fallback="block"))
    role = ScorerRole(
        bus.handle(),
        make_scorer((settings,)),
        registry=Registry(bus),
        trusted_keys=(TEST_SIGNER.public_hex,),
        clock=SystemClock(),
    )
    ids = [name for name in (f"s{n}" for n in range(40)) if is_chosen(name, 0.5)][:5]

    async def say(signal_id: str) -> None:
        signal = signal_on(BARS[-1], signal_id, STRATEGY)
        await bus.publish(subjects.raw(STRATEGY, signal.symbol), codec.encode(signal))

    async with playing([role]):
        await say(ids[0])
        await promote(bus, SHADOWED.version, ANN, share=0.5)
        await say(ids[1])
        await promote(bus, SHADOWED.version, ANN)
        await say(ids[2])
        await expire(bus, STRATEGY, None, ANN)
        await say(ids[3])
        await roll_back(bus, STRATEGY, None, ANN)
        await say(ids[4])
        async with asyncio.timeout(30):
            while len(answers := await stored(bus, topology.SCORED, "signals.>")) < 5:
                await asyncio.sleep(0.02)
    found = {one.signal_id: (one.model, one.reasons[:1], one.mode) for one in answers}
    assert found[ids[0]][0] == SECOND.version
    assert found[ids[1]][:2] == (SHADOWED.version, ("canary",))
    assert found[ids[2]][0] == SHADOWED.version
    assert "canary" not in found[ids[2]][1]
    assert found[ids[3]] == (None, ("no_model",), "block")
    assert found[ids[4]][0] == SHADOWED.version


async def test_a_list_tells_age_expiry_and_what_a_rollback_brings(bus):
    (line,) = aged(await model_lines(bus), await newest_event_ts(bus), {STRATEGY: 20.0})
    assert line.age_days == (NOW - (START_NS + 5 * DAY_NS)) / DAY_NS == 24.0
    assert (line.max_age_days, line.is_expired) == (20.0, True)
    assert line.previous == FIRST.version
    (young,) = aged(await model_lines(bus), START_NS + 6 * DAY_NS, {STRATEGY: 20.0})
    assert young.is_expired is False
    (unknown,) = aged(await model_lines(bus), NOW, {})
    assert (unknown.max_age_days, unknown.is_expired) == (None, None)
    (endless,) = aged(await model_lines(bus), NOW, {STRATEGY: None})
    assert (endless.max_age_days, endless.is_expired) == (None, False)


async def test_a_model_that_is_deployed_for_later_is_told_as_one_that_will_speak(bus):
    (line,) = aged(await model_lines(bus), START_NS + 3 * DAY_NS, {STRATEGY: 20.0})
    assert (line.age_days, line.is_expired) == (-2.0, False)
    table = models_table([line])
    days, notes = (next(iter(column.cells)).plain for column in table.columns[2:])
    assert days == "not yet"
    assert notes.startswith(f"speaks from {utc_time(line.effective_ts)} on")


async def test_a_model_comes_into_force_at_the_markets_time_whatever_a_signal_claims(bus):
    ahead = signal_on(BARS[-1], "s-ahead", STRATEGY, ts=NOW + DAY_NS)
    await bus.publish(subjects.raw(STRATEGY, ahead.symbol), codec.encode(ahead))
    assert await newest_event_ts(bus) == NOW
    assert (await promote(bus, SHADOWED.version, ANN)).effective_ts == NOW


async def test_before_the_first_bar_a_model_comes_into_force_where_its_samples_end(memory_bus):
    await decide(memory_bus, FIRST, asked_for("r-1", 2), promoted=False)
    done = await promote(memory_bus, FIRST.version, ANN)
    assert done.effective_ts == FIRST.card.training_to_ts > 0


async def test_every_model_is_found_wherever_it_stands(bus):
    await promote(bus, SHADOWED.version, ANN, share=0.1)
    standing = {one.version: one.standing for one in await known_models(bus)}
    assert standing[SECOND.version][0] == "in force"
    assert standing[FIRST.version][0] == "before"
    assert standing[SHADOWED.version][0] == "canary"
    assert find_model(await known_models(bus), FIRST.digest)[0].version == FIRST.version


@pytest.mark.broker
async def test_the_commands_speak_to_a_broker(broker, nats_bus, capsys, tmp_path):
    await publish_bars(nats_bus)
    await decide(nats_bus, FIRST, asked_for("r-1", 2))
    await decide(nats_bus, SECOND, asked_for("r-2", 5))
    where = ("--nats", broker.url, "--json")
    why = ("--why", "halt\x1b[31m\n" + "y" * 999, "--by", "ann")

    async def say(*arguments: str) -> tuple[int, dict]:
        status = await asyncio.to_thread(execute, ["models", *arguments, *where])
        return status, json.loads(capsys.readouterr().out.splitlines()[-1])

    status, found = await say("list")
    assert (status, found["models"][0]["version"]) == (0, SECOND.version)
    run = tmp_path / "run.yaml"
    run.write_text("strategies: [{name: alpha, kind: external, ml: {max_age_days: 20}}]")
    status, found = await say("list", "--config", str(run))
    assert (found["models"][0]["age_days"], found["models"][0]["is_expired"]) == (24.0, True)
    status, found = await say("rollback", STRATEGY, *why)
    assert (status, found["version"], found["by"]) == (0, FIRST.version, "ann")
    assert found["why"].startswith("halt?[31m yyy")
    assert len(found["why"]) == 256
    assert (await say("promote", SECOND.version, "--share", "0.2", *why))[1]["share"] == 0.2
    assert (await say("pin", STRATEGY, *why))[0] == 0
    status, found = await say("expire", STRATEGY, *why)
    assert status == 1
    assert "is pinned" in found["error"]
    assert (await say("unpin", STRATEGY, *why))[0] == 0
    assert (await say("promote", "nothing", *why))[0] == 2
    run.write_text(f"trusted_keys: ['{'ab' * 32}']\nstrategies: [{{name: alpha, kind: external}}]")
    given = ("--config", str(run), "--state-dir", str(tmp_path), *why)
    status, found = await say("promote", SECOND.version, *given)
    assert status == 1
    assert f"would refuse {SECOND.version}, nothing was done" in found["error"]
    assert (await say("rollback", "beta", *why))[0] == 2
    assert (await say("promote", SECOND.version, "--share", "7", *why))[0] == 2
    status, found = await say("show", SECOND.version)
    assert (status, found["samples"]) == (0, 500)
    assert found["standing"][0]["as"][0] == "canary"
    assert (await say("lineage", FIRST.digest[:10]))[1]["request"]["request_id"] == "r-1"
    status, found = await say("log", STRATEGY, "--limit", "4")
    assert [one["did"] for one in found["entries"]] == ["rollback", "canary 0.2", "pin", "unpin"]
    status, found = await say("log", "alpah")
    assert status == 2
    assert found["error"].endswith("known: alpha; nearest: 'alpha'")
    await asyncio.to_thread(execute, ["models", "show", FIRST.version, *where[:2]])
    said = capsys.readouterr().out
    assert "training_to_ts: 20" in said
    assert "'effective_ts': '20" in said
    assert str(FIRST.card.training_to_ts) not in said


@pytest.mark.broker
async def test_what_is_told_to_people_obeys_no_control_character(broker, nats_bus, capsys):
    await publish_bars(nats_bus)
    await decide(nats_bus, FIRST, asked_for("r-1", 2))
    hostile = Policy(STRATEGY, "block", "m\x1b]0;x\x07", "red\x1b[31m\r\nsecond line")
    await nats_bus.publish(subjects.policy(STRATEGY), codec.encode(hostile))
    for command in ("list", "log", "lineage", "show"):
        arguments = [FIRST.version] if command in ("lineage", "show") else []
        words = ["models", command, *arguments, "--nats", broker.url]
        assert await asyncio.to_thread(execute, words) == 0
        said = capsys.readouterr().out
        assert said.strip()
        assert all(char == "\n" or char.isprintable() for char in said)
    assert issubclass(ModelError, AssayError)
