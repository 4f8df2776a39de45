"""`assay monitor` over a broker: empty, with one outcome, with a story, and when it goes away."""

import asyncio
import io
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from rich.console import Console

from deploy.cli import execute
from deploy.config import load_run
from deploy.monitor import live_monitor
from deploy.monitor.drift_source import SNAPSHOT_OF_ONE, DriftSource, detector_lines
from deploy.monitor.event_words import day
from deploy.monitor.live_monitor import LiveMonitor, picture_of
from deploy.monitor.strategy_words import coming_words
from deploy.operations.model_shelf import models_in_force
from deploy.snapshots import basis_of
from deploy.state import StateDir
from deploy.survey import survey
from engine.answer import HEADER_ROLE
from engine.drift.drift_monitor import DriftMonitor
from engine.drift.watch_state import DetectorState, WatchState
from engine.shells.snapshot import Origin, Snapshot, SnapshotFile
from models.registry import Registry
from streams import codec, subjects, topology
from streams.broker import EmbeddedBroker
from streams.bus import HEADER_ERROR
from streams.errors import ConfigError
from streams.events import Deployment, Policy, Progress
from streams.memory_bus import MemoryBus
from streams.nats_bus import NatsBus
from streams.provision import provision
from tests.deploy.monitor.storied_run import (
    DAY_NS,
    DIGEST,
    judge,
    outcome,
    outcomes,
    say,
    tell_story,
)
from tests.deploy.running import assay

SETTINGS = load_run(Path("configs/quickstart.yaml"), environment={})


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[tuple[NatsBus, EmbeddedBroker, StateDir]]:
    state = StateDir(tmp_path)
    state.make()
    with EmbeddedBroker.start(tmp_path) as broker:
        bus = await NatsBus.connect(broker.url)
        try:
            await provision(bus.jetstream)
            yield bus, broker, state
        finally:
            await bus.close()


@pytest.mark.broker
async def test_a_run_is_told_from_nothing_over_one_outcome_to_all_that_happened(run):
    bus, broker, state = run
    empty = await picture_of(broker.url, SETTINGS, state, None)
    assert (empty.strategies, empty.events, empty.roles) == ((), (), ())
    await judge(bus, [outcome("my_engine", 0, 1, 0.6, "my_engine-first")])
    [one] = (await picture_of(broker.url, SETTINGS, state, None)).strategies
    assert (one.strategy, one.model, one.scores.outcomes) == ("my_engine", "my_engine-first", 1)
    model = await tell_story(bus, "breakout", count=400)
    await judge(bus, outcomes("breakout", 400, model, skill=-1.0, seed=3))
    await say(bus, subjects.progress("drift", 0), Progress("drift", 0, 1, 1))
    picture = await picture_of(broker.url, SETTINGS, state, None)
    told, other = picture.strategies
    assert (told.strategy, other.strategy) == ("breakout", "my_engine")
    assert (told.model, told.policy, told.requests_waiting) == (model, "observe", 1)
    assert told.in_force is not None
    assert told.in_force.age_s == pytest.approx(
        (picture.event_ts - told.in_force.effective_ts) / 1e9
    )
    assert told.scores.outcomes == 399  # The first came behind its own watermark.
    assert told.level == "detected"
    assert 0 < told.outcomes_since_alarm < 399
    kinds = ["deployed", "drift", "kept", "policy", "audit"]
    assert sorted(event.kind for event in picture.events) == sorted(kinds)
    assert {role.role for role in picture.roles} == {"drift", "labeller"}
    await a_model_that_the_scorers_refuse_is_told_as_that(bus, broker.url, state, model)
    await the_command_says_the_same(broker.url, state)


async def a_model_that_the_scorers_refuse_is_told_as_that(
    bus: NatsBus, url: str, state: StateDir, before: str
) -> None:
    refused = Deployment("breakout", None, "breakout-refused", "cd" * 32, 9, before, {}, "r-9")
    await Registry(bus).point(
        *("breakout", None, refused.version, refused.digest),
        effective_ts=9,
        expected=1,
        request_id=refused.request_id,
    )
    headers = {
        HEADER_ROLE: "scorer",
        HEADER_ERROR: "model_refused: of no use",
        "Assay-Sequence": "9",
    }
    subject = subjects.dead_letter(subjects.deployed("breakout"))
    await bus.publish(subject, codec.encode(refused), headers=headers)
    [told] = (await picture_of(url, SETTINGS, state, "breakout")).strategies
    placed = {line.version: (line.place, line.refused) for line in told.models}
    assert placed == {before: ("in_force", ""), refused.version: ("refused", "of no use")}
    assert told.model == before
    [line] = (await survey(url)).models
    assert (line.version, line.speaking, line.refused) == (refused.version, before, "of no use")


async def the_command_says_the_same(url: str, state: StateDir) -> None:
    where = ("--nats", url, "--state-dir", str(state.root))
    done = await asyncio.to_thread(
        assay, "monitor", "--strategy", "breakout", "--json", *where, COLUMNS="80"
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert [one["strategy"] for one in document["strategies"]] == ["breakout"]
    assert {event["strategy"] for event in document["events"]} == {"breakout"}
    with pytest.raises(ConfigError, match=r"'breakou' is not known.*nearest: 'breakout'"):
        await picture_of(url, SETTINGS, state, "breakou")
    assert "AUC" in done.stderr
    assert "refused refused by the scorers: of no use" in done.stderr


def test_a_detector_that_has_alarmed_stands_first_however_quiet_it_is_by_now():
    still, alarmed = (
        {"is_warning": False, "has_detected": has_detected} for has_detected in (False, True)
    )
    detectors = (
        DetectorState("intercept", "calibration", 600.0, 5e4, **still),
        DetectorState("slope", "ranking", 90.0, 12_500.0, **alarmed),
        DetectorState("psi", "inputs", 0.2, 0.25, **still),
    )
    watch = WatchState("a", "a-1", 500, True, detectors, 0, 0)
    found = [one.detector for one in detector_lines(watch)]
    assert found == ["slope", "psi", "intercept"]


@pytest.mark.broker
async def test_a_model_that_is_to_speak_later_is_told_beside_the_one_that_speaks(run):
    bus, broker, state = run
    model = await tell_story(bus, "breakout", count=8)
    await judge(bus, outcomes("breakout", 8, model, skill=1.0, seed=3))
    now = (await picture_of(broker.url, SETTINGS, state, None)).event_ts
    for later, places in (
        (0, {model: "shadow", "breakout-next": "in_force"}),
        (5 * DAY_NS, {model: "in_force", "breakout-next": "coming"}),
    ):
        pointer = await Registry(bus).pointer("breakout")
        assert pointer is not None
        await Registry(bus).point(
            *("breakout", None, "breakout-next", "cd" * 32),
            effective_ts=now + later,
            expected=pointer.revision,
        )
        (told,) = (await picture_of(broker.url, SETTINGS, state, "breakout")).strategies
        assert {line.version: line.place for line in told.models} == places
        assert places[told.model] == "in_force"
    assert coming_words(told) == f"next from {day(now + later)} on"


@pytest.mark.broker
async def test_the_policy_told_is_the_one_that_the_scorer_goes_by(run):
    bus, broker, state = run
    for action, by in (("observe", "trainer"), ("block", "ann"), ("resume", "trainer")):
        await say(bus, subjects.policy("alpha"), Policy("alpha", action, by, f"{by} says"))
    for action, by in (("block", "ann"), ("observe", "trainer"), ("resume", "ann")):
        await say(bus, subjects.policy("beta"), Policy("beta", action, by, f"{by} says"))
    named = broker.url.replace("nats://", "nats://ann:secret@")
    picture = await picture_of(named, SETTINGS, state, None)
    told = [(one.strategy, one.policy, one.policy_why) for one in picture.strategies]
    assert told == [("alpha", "block", "ann says"), ("beta", "", "")]
    assert "secret" not in picture.url + (await survey(named)).url


@pytest.mark.broker
async def test_where_the_model_was_taken_away_nobody_is_said_to_speak(run):
    bus, broker, state = run
    await Registry(bus).point("alpha", None, "alpha-1", DIGEST, effective_ts=1, expected=0)
    pointer = await Registry(bus).pointer("alpha")
    assert pointer is not None
    now = pointer.revision
    await Registry(bus).point("alpha", None, "constant", "", effective_ts=2, expected=now)
    [told] = (await picture_of(broker.url, SETTINGS, state, None)).strategies
    assert told.model == ""
    [listed] = await models_in_force(broker.url)
    assert (listed.version, listed.previous) == ("null model", "alpha-1")


@pytest.mark.broker
async def test_a_broker_that_goes_away_is_said_to_and_the_next_is_found(
    run, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(live_monitor, "REFRESH_S", 0.1)
    monkeypatch.setattr(live_monitor, "RETRY_S", 0.1)
    bus, broker, state = run
    await judge(bus, [outcome("my_engine", 0, 1, 0.6, "my_engine-first")])
    urls = [broker.url]
    console = Console(file=io.StringIO(), width=100, height=30, force_terminal=True)
    monitor = LiveMonitor(console, lambda: urls[-1], SETTINGS, state, None)
    stop = asyncio.Event()
    running = asyncio.create_task(monitor.run(stop))
    await until_seen(monitor, "my_engine")
    os.kill(broker.pid, signal.SIGKILL)
    # The last picture stays, below the word that it is the last.
    await until_seen(monitor, "the broker does not answer, trying again", "my_engine")
    with EmbeddedBroker.start(tmp_path_factory.mktemp("next")) as following:
        other = await NatsBus.connect(following.url)
        await provision(other.jetstream)
        await judge(other, [outcome("another", 0, 1, 0.6, "another-first")])
        urls.append(following.url)
        await until_seen(monitor, "another")
        assert "trying again" not in seen(monitor)
        stop.set()
        await asyncio.wait_for(running, 10)
        await other.close()


def seen(monitor: LiveMonitor) -> str:
    console = Console(file=io.StringIO(), width=100)
    console.print(monitor.render())
    return console.file.getvalue()  # type: ignore[attr-defined]


async def until_seen(monitor: LiveMonitor, *texts: str) -> None:
    async with asyncio.timeout(30):
        while not all(text in seen(monitor) for text in texts):
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "no broker is known"),
        (("--set", "drift.detectors=[sloppe]"), "slope"),
        (("--strategy", ""), "--strategy must be 1 to"),
    ],
)
def test_what_cannot_be_looked_at_is_told_and_nothing_is_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], said: str
):
    assert execute(["monitor", "--state-dir", str(tmp_path), *options]) == 2
    assert said in capsys.readouterr().err


async def test_the_drift_roles_snapshot_says_what_it_knew_and_another_ones_is_left(tmp_path: Path):
    bus, state = MemoryBus(), StateDir(tmp_path)
    state.make()
    watched = [one for one in SETTINGS.strategies if one.ml.enabled]
    core = DriftMonitor(SETTINGS.drift, len(watched))
    events = outcomes("breakout", 200, "m", skill=1.0, seed=1)
    for event in (*events, Progress("labeller", 0, events[-1].exit_ts, 1)):
        core.step(event)
    source = await DriftSource.of(SETTINGS, state, bus)
    assert source.watches() == {}
    assert source.in_words == "all outcomes"
    write(core, state, await incarnations_of(bus), basis="another configuration")
    assert source.watches() == {}
    write(core, state, await incarnations_of(bus), basis_of("drift", SETTINGS, state))
    [watch] = source.watches().values()
    assert (watch.model, watch.outcomes) == ("m", 200)
    assert watch.detectors == core.state()[0].detectors
    assert source.in_words == "the role's snapshot"


async def test_without_a_snapshot_the_outcomes_are_judged_again_by_the_same_core(tmp_path: Path):
    state = StateDir(tmp_path)
    state.make()
    source = await DriftSource.of(SETTINGS, state, MemoryBus())
    watched = [one for one in SETTINGS.strategies if one.ml.enabled]
    core = DriftMonitor(SETTINGS.drift, len(watched))
    events = outcomes("breakout", 200, "m", skill=-1.0, seed=1)
    for event in (*events, Progress("labeller", 0, events[-1].exit_ts, 1)):
        core.step(event)
        source.step(event)
    assert tuple(source.watches().values()) == core.state()


async def incarnations_of(bus: MemoryBus) -> dict[str, str]:
    return {name: await bus.incarnation(name) for name in (topology.OUTCOMES, topology.DRIFT)}


def write(core: DriftMonitor, state: StateDir, incarnations: dict[str, str], basis: str) -> None:
    file = SnapshotFile(state.snapshots / SNAPSHOT_OF_ONE, basis)
    origin = Origin("drift", 0, 1, basis, incarnations)
    file.write(Snapshot(origin, (1,), {}, [], 1, core.save()))
    file.settle()
