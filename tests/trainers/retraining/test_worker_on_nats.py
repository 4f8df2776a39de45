"""The trainer's role over a real server."""

import asyncio
from pathlib import Path

import pytest

from streams.broker import EmbeddedBroker
from streams.jetstream import JetStream
from streams.nats_bus import NatsBus
from streams.provision import provision
from tests.trainers.house import IN_A_PROCESS, SKILLED, House, end_of


@pytest.mark.broker
async def test_requests_are_answered_over_nats(tmp_path: Path):
    with EmbeddedBroker.start(tmp_path / "state") as broker:
        bus, worker_bus = [await NatsBus.connect(broker.url) for _ in range(2)]
        await provision(JetStream(bus.connection))
        house = House(tmp_path)
        house.bus = bus  # type: ignore[assignment]
        worker = house.worker(bus=worker_bus, job_command=IN_A_PROCESS)
        await house.tell(SKILLED)
        async with house.working(worker):
            for _ in range(2):
                await house.ask("r-1", end_of(SKILLED))
            await house.until_idle()
        assert len(await house.deployed()) == 1
        await asyncio.gather(bus.close(), worker_bus.close())
