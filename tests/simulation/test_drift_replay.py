"""A driven replay ends when the drift monitor has said all, however far behind a feed of it is."""

from engine.drift.drift_monitor import DriftMonitor
from engine.drift.score_watch import ScoreWatch
from engine.replays.replay import ReplayDriver
from engine.roles import drift
from engine.settings import DriftSettings, InputWatchSettings
from engine.shells import shell
from engine.shells.shell import Shell
from models.signing import load_or_create_signing_key
from streams import codec, topology
from streams.memory_bus import MemoryBus
from tests.simulation.stage import (
    ROLES,
    STRATEGIES,
    playing,
    record,
    roles_over,
    sample_blocks,
    sample_instants,
)
from tests.simulation.test_snapshots import deployed_models

SPAN = ("2007-01-01", "2010-06-30")
INPUTS = InputWatchSettings()
SETTINGS = DriftSettings(budget=2.0, reference_outcomes=20, review_outcomes=10, inputs=INPUTS)
ANSWERS_FEED = 0
HELD_TURNS = 60


class Halting(Shell):
    """A shell whose first feed stands still for a while, behind the whole of the other."""

    _held = 0

    def is_held(self, feed, event) -> bool:
        self._held += feed == ANSWERS_FEED
        return feed == ANSWERS_FEED and self._held <= HELD_TURNS


def monitor() -> DriftMonitor:
    return DriftMonitor(SETTINGS, len(STRATEGIES), ScoreWatch(INPUTS))


async def undisturbed(bus: MemoryBus) -> dict[str, list[bytes]]:
    """What a core says to the same answers and outcomes, by subject."""
    core, said = monitor(), {}
    for stream, wanted in ((topology.SCORED, ("",)), (topology.OUTCOMES, ("",))):
        for payloads in (await record(bus, stream, wanted)).values():
            for payload in payloads:
                for answer in core.step(codec.decode(payload)):
                    said.setdefault(answer.subject, []).append(codec.encode(answer.event))
    return said


async def test_a_replay_waits_for_the_slower_of_two_feeds(tmp_path, monkeypatch):
    monkeypatch.setattr(drift, "Shell", Halting)
    monkeypatch.setattr(shell, "IDLE_S", 0.02)
    key, bus = load_or_create_signing_key(tmp_path), MemoryBus()
    await deployed_models(bus, key, sample_instants(*SPAN))
    shells = roles_over([bus.handle() for _ in range(3)], (key.public_hex,), STRATEGIES)
    shells.append(drift.drift_shell(bus.handle(), monitor()))
    driver = ReplayDriver(bus, roles=(*ROLES, "drift"), run_id="test", stall_s=30.0)
    async with playing(shells):
        await driver.drive(sample_blocks(*SPAN))
        said = await record(bus, topology.DRIFT, ("drift.",))
        said |= await record(bus, topology.RETRAIN, ("models.retrain.",))
    expected = await undisturbed(bus)
    assert said == expected
    assert {subject.split(".")[0] for subject in expected} == {"drift", "models"}
    marks = driver.watermarks
    assert marks["drift"].event_ts == marks["labeller"].event_ts > 0
