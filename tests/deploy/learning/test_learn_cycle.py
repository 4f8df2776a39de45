"""Cron learns what the live loop learns: the same words, the same decisions, the same models.

All event times are equal, and with them ids, samples and models, byte for byte, as long as cron
comes before a model that is asked for could come into force: `train.delay_days` after its alarm.
Later ones would be equal too, but speak from cron's own hour on. What is not compared is what
carries no learning: positions, watermarks, the broker's clock.
"""

import asyncio
from pathlib import Path

import pytest

from deploy.learning.learning import CycleReport, cycle
from streams import codec, topology
from streams.nats_bus import NatsBus
from tests.deploy.learning.learning_run import (
    LEARNING,
    ONLINE,
    PATIENCE_S,
    STRETCH_DAYS,
    Market,
    emptied,
    everything_learned,
    playing_roles,
    replay,
    site_of,
    wait_less,
)
from trainers.dataset import DAY_NS

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]


async def until_answered(bus: NatsBus) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while (await bus.jetstream.stream_state(topology.RETRAIN)).messages:
            await asyncio.sleep(0.02)


async def lived(url: str, market: Market, folder: Path) -> dict[str, list[bytes]]:
    """Play the market with every role."""
    state, roles = market.copy(folder), ONLINE + LEARNING
    async with emptied(url) as bus:
        await market.ask_first(bus)
        async with playing_roles(roles, url, market.settings, state):
            await until_answered(bus)
            delay_ns = int(market.settings.train.delay_days * DAY_NS)
            await replay(bus, market.scenario.replayed, roles, "live", delay_ns)
        return await everything_learned(bus)


async def cycled(
    url: str, market: Market, folder: Path
) -> tuple[dict[str, list[bytes]], list[CycleReport]]:
    """Play it without those that learn; now and then somebody looks after it."""
    state = market.copy(folder)
    async with emptied(url) as bus:
        await market.ask_first(bus)
        site = site_of(bus, url, market.settings, state)
        reports = [await cycle(site)]
        async with playing_roles(ONLINE, url, market.settings, state):
            for number, part in enumerate(market.stretches()):
                await replay(bus, part, ONLINE, f"cron{number}", None)
                reports.append(await cycle(site))
        return await everything_learned(bus), reports


async def test_cron_promotes_the_models_that_the_live_loop_promotes(broker, tmp_path, monkeypatch):
    wait_less(monkeypatch)
    market = Market(tmp_path / "market")
    assert market.settings.train.delay_days > STRETCH_DAYS
    live = await lived(broker.url, market, tmp_path / "live")
    cron, reports = await cycled(broker.url, market, tmp_path / "cron")
    assert cron == live
    alarms = [codec.decode(one) for one in cron["drift"]]
    assert "detected" in [one.level for one in alarms if one.channel == "ranking"]
    first, second = [codec.decode(one) for one in cron["deployed"]]
    assert second.verdict["requested"].endswith(":slope")
    assert second.previous == first.version != second.version
    # A drift stood until the model that answers it was found, and the last look was quiet.
    stood = [bool(report.standing) for report in reports]
    assert True in stood
    assert not stood[-1]
    answers = [answer for report in reports for answer in report.answers]
    assert len(answers) == len(cron["requests"]) == len({one.request_id for one in answers})
    (told,) = reports[-1].status.strategies
    assert told.seen is not None
    # It speaks `train.delay_days` after its alarm.
    places = {line.version: line.place for line in told.seen.models}
    assert (places[first.version], places[second.version]) == ("in_force", "coming")
    assert told.last == answers[-1]
