"""A lease has one holder at a time, by nobody's clock but each one's own."""

import asyncio

import pytest

from engine.shells.lease import COLD_PATIENCE, Lease
from streams.errors import BusError, ConflictError
from streams.memory_bus import MemoryBus
from streams.topology import BUCKET_LEASES

LEASE_S = 0.2
KEY = "scorer.0.of.1"


@pytest.fixture
def bus() -> MemoryBus:
    return MemoryBus()


def lease(bus: MemoryBus, holder: str) -> Lease:
    return Lease(bus, KEY, holder, lease_s=LEASE_S)


async def tended(one: Lease, for_s: float) -> bool:
    """Tend a lease until it is held, or for so long."""
    loop = asyncio.get_running_loop()
    until = loop.time() + for_s
    while loop.time() < until:
        if await one.tend():
            return True
        await asyncio.sleep(LEASE_S / 10)
    return False


async def test_the_first_to_ask_holds_it_and_the_other_does_not(bus):
    first, second = lease(bus, "a"), lease(bus, "b")
    assert await first.tend()
    assert first.is_fresh
    assert not await second.tend()
    assert not second.is_held


async def test_a_holder_that_renews_is_never_replaced(bus):
    first, second = lease(bus, "a"), lease(bus, "b")
    for _ in range(20):
        assert await first.tend()
        assert not await second.tend()
        await asyncio.sleep(LEASE_S / 8)


async def test_who_does_not_renew_knows_it_before_another_holds_the_lease(bus):
    first, second = lease(bus, "a"), lease(bus, "b")
    await first.tend()
    await asyncio.sleep(LEASE_S / 10)
    await second.tend()
    while not second.is_held:
        was_fresh = first.is_fresh
        await second.tend()
        assert not (second.is_held and was_fresh)
        await asyncio.sleep(LEASE_S / 20)
    assert not first.is_fresh
    assert not await first.tend()
    assert not first.is_held
    assert await second.tend()


async def test_a_lease_that_was_given_back_is_taken_at_once(bus):
    first, second = lease(bus, "a"), lease(bus, "b")
    await first.tend()
    assert not await second.tend()
    await first.release()
    assert await second.tend()


async def test_a_lease_cannot_be_given_back_by_who_lost_it(bus):
    first, second = lease(bus, "a"), lease(bus, "b")
    await first.tend()
    assert await tended(second, 10 * LEASE_S)
    await first.release()
    assert await second.tend()
    assert second.is_fresh


async def test_who_has_to_catch_up_first_leaves_a_lapsed_lease_to_others(bus):
    first, cold = lease(bus, "a"), lease(bus, "b")
    await first.tend()
    loop = asyncio.get_running_loop()
    await cold.tend(is_warm=False)
    began = loop.time()
    while not await cold.tend(is_warm=False):
        await asyncio.sleep(LEASE_S / 20)
    assert loop.time() - began >= LEASE_S * (COLD_PATIENCE - 0.5)


async def test_a_renewal_whose_answer_was_lost_is_a_renewal(bus):
    class Deaf(MemoryBus):
        is_deaf = False

        async def key_put(self, *args, **options):
            revision = await super().key_put(*args, **options)
            if self.is_deaf:
                raise BusError("no answer")
            return revision

    deaf = Deaf(store=bus._store)
    one = lease(deaf, "a")
    await one.tend()
    deaf.is_deaf = True
    with pytest.raises(BusError):
        await one.tend()
    deaf.is_deaf = False
    assert await one.tend()
    with pytest.raises(ConflictError):
        await bus.key_put(BUCKET_LEASES, KEY, b"c", expected=1)


async def test_each_shard_has_a_lease_of_its_own(bus):
    assert await Lease(bus, "scorer.0.of.2", "a").tend()
    assert await Lease(bus, "scorer.1.of.2", "b").tend()
