"""How a scorer's role comes by the models that deployments name."""

import asyncio

import pytest

from engine.roles import scorer as role_module
from engine.roles.scorer import FETCH_TRIES
from engine.settings import StrategySettings
from models.registry import Registry
from streams import codec, subjects, topology
from streams.errors import BusError
from streams.events import Deployment, Scored
from streams.memory_bus import MemoryBus
from tests.engine.market import random_bars, signal_on
from tests.models.tiny_model import TEST_SIGNER, tiny_artifact
from tests.simulation.recorded import scorers_over
from tests.simulation.stage import record

ALPHA = StrategySettings(name="alpha", kind="external")
PLENTY_S = 20.0


class SilentStore(MemoryBus):
    """A bus whose object store does not answer so many times."""

    silences = 0

    async def object_get(self, bucket: str, name: str) -> bytes | None:
        if self.silences:
            self.silences -= 1
            raise BusError("no answer")
        return await super().object_get(bucket, name)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(role_module, "FETCH_PAUSE_S", 0.0)


async def deployed(bus: MemoryBus, *, is_stored: bool = True) -> str:
    """Publish a bar, a deployment and a signal; return the model's version."""
    artifact = tiny_artifact(("ibs", "signal_score"), (2.0, 1.0), -1.5, "alpha")
    if is_stored:
        await Registry(bus).put(artifact)
    event = Deployment("alpha", None, artifact.version, artifact.digest, 1, None, {})
    bars = random_bars("AAA", 60)
    for bar in bars:
        await bus.publish(subjects.bar("1d", "AAA"), codec.encode(bar))
    await bus.publish(subjects.deployed("alpha"), codec.encode(event))
    await bus.publish(subjects.raw("alpha", "AAA"), codec.encode(signal_on(bars[-1])))
    return artifact.version


async def answer(bus: MemoryBus) -> Scored:
    """What one scorer says to the signal; raises what ends it before."""
    [role] = scorers_over([bus], (TEST_SIGNER.public_hex,), (ALPHA,))
    stop = asyncio.Event()
    running = asyncio.create_task(role.run(stop))
    async with asyncio.timeout(PLENTY_S):
        while not running.done():
            await asyncio.sleep(0.01)
            if said := await record(bus, topology.SCORED, ("signals.",)):
                stop.set()
                await running
                [[payload]] = said.values()
                found = codec.decode(payload)
                assert isinstance(found, Scored)
                return found
    await running
    raise AssertionError("the role ended without an answer")


@pytest.mark.parametrize("silences", [1, FETCH_TRIES, 2 * FETCH_TRIES - 1])
async def test_a_store_that_is_silent_for_a_while_changes_no_answer(silences: int):
    bus = SilentStore()
    version = await deployed(bus)
    bus.silences = silences
    assert (await answer(bus)).model == version


async def test_a_store_that_stays_silent_ends_the_role_instead_of_refusing_the_model():
    bus = SilentStore()
    version = await deployed(bus)
    bus.silences = 10 * FETCH_TRIES
    with pytest.raises(BusError, match="no answer"):
        await answer(bus)
    assert await record(bus, topology.DLQ, ("dlq.",)) == {}
    bus.silences = 0
    assert (await answer(bus)).model == version


async def test_a_model_that_is_not_there_is_refused():
    bus = SilentStore()
    await deployed(bus, is_stored=False)
    bus.silences = 1
    assert (await answer(bus)).model is None
    assert list(await record(bus, topology.DLQ, ("dlq.",))) == ["dlq.models.deployed.alpha"]
