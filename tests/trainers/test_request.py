"""A request that cannot be carried out is a dead letter, and the next one is answered."""

import msgspec
import pytest

from streams import codec, subjects, topology
from streams.errors import WireError
from streams.events import Retrain
from tests.trainers.house import STRATEGY, House
from trainers.request import REQUEST_TS_MAX, check_request

SOUND = Retrain("r-1", STRATEGY, None, "manual", 0, "test", 10)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"request_id": ""}, "request_id"),
        ({"request_id": "two words"}, "request_id"),
        ({"request_id": "a\nb"}, "request_id"),
        ({"request_id": "é"}, "request_id"),
        ({"request_id": "r" * 257}, "request_id"),
        ({"symbol": "S" * 257}, "symbol"),
        ({"ts": -1}, "ts"),
        ({"ts": REQUEST_TS_MAX + 1}, "ts"),
        ({"since_ts": -1}, "since_ts"),
        ({"since_ts": 11}, "since_ts"),
        ({"ts": 0, "since_ts": REQUEST_TS_MAX + 1}, "since_ts"),
    ],
)
def test_what_cannot_be_carried_out_is_refused(changes: dict[str, object], reason: str):
    with pytest.raises(WireError) as refused:
        check_request(msgspec.structs.replace(SOUND, **changes))
    assert refused.value.reason == reason


@pytest.mark.parametrize("changes", [{}, {"symbol": "BRK.B"}, {"ts": 0, "since_ts": 11}])
def test_what_can_be_carried_out_is_taken(changes: dict[str, object]):
    check_request(msgspec.structs.replace(SOUND, **changes))


async def test_a_request_no_message_can_name_does_not_stand_in_the_way(house: House):
    async with house.working(house.worker()):
        for request_id in ("", "two words", "r" * 5_000):
            request = msgspec.structs.replace(SOUND, request_id=request_id)
            await house.bus.publish(subjects.retrain(STRATEGY), codec.encode(request))
        await house.ask("r-1", 10)
        await house.until_idle()
    assert [kept.request_id for kept in await house.kept()] == ["r-1"]
    assert await house.bus.last_seq(topology.DLQ) == 3
