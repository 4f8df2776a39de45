"""What `assay status` says of roles: how far they are, and how far behind that is."""

import asyncio

from deploy.survey import RoleLine, role_lines
from streams import codec, subjects, topology
from streams.events import Progress
from streams.memory_bus import MemoryBus
from streams.waiting import end_tasks
from trainers.retraining.vouching import Vouching

TIMEOUT_S = 10.0


async def say(bus: MemoryBus, role: str, ts: int, seq: int = 0) -> None:
    event = Progress(role, 0, ts, seq)
    await bus.publish(subjects.progress(role, 0), codec.encode(event))


async def trainer_at(bus: MemoryBus, seq: int) -> RoleLine:
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            for line in await role_lines(bus):
                if line.role == "trainer" and line.seq == seq:
                    return line
            await asyncio.sleep(0.01)


async def test_a_trainer_to_which_nothing_came_is_not_behind_what_others_said_meanwhile(memory_bus):
    queue = await memory_bus.work_queue(topology.RETRAIN, "trainers")
    following = asyncio.create_task(Vouching(memory_bus.handle(), queue, 0).run())
    try:
        await say(memory_bus, "labeller", 10)
        await say(memory_bus, "drift", 10, seq=1)
        assert (await trainer_at(memory_bus, seq=1)).lag_messages == 0
        for ts in (10, 10, 10):
            await say(memory_bus, "labeller", ts)
        assert (await trainer_at(memory_bus, seq=1)).lag_messages == 3
        await say(memory_bus, "drift", 10, seq=4)
        idle = await trainer_at(memory_bus, seq=4)
        assert (idle.lag_messages, idle.lag_s, idle.event_ts) == (0, 0, 10)
    finally:
        await end_tasks([following])
        await queue.close()
