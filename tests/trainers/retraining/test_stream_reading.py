"""What is read of the streams is read past what cannot be read."""

from streams import codec, subjects
from streams.events import Policy, Progress
from streams.memory_bus import MemoryBus
from trainers.retraining.stream_reading import newest_progress_ts


async def test_what_is_no_progress_hides_none_and_stops_no_trainer():
    bus = MemoryBus()
    assert await newest_progress_ts(bus) == 0
    await bus.publish(subjects.progress("scorer", 0), codec.encode(Progress("scorer", 0, 7, 1)))
    for payload in (b"\xc1", codec.encode(Policy("a", "observe", "ann", "", 9))):
        await bus.publish(subjects.progress("labeller", 0), payload)
        assert await newest_progress_ts(bus) == 7
