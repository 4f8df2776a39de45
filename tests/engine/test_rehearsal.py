"""The way of an answer is kept warm while signals come now and then, and nothing comes of it."""

import asyncio

import msgspec
import pytest

from engine import rehearsal
from engine.rehearsal import Rehearsal
from engine.scorer import Scorer
from engine.settings import StrategySettings
from models.feature_set import load_feature_set
from streams.session import session
from tests.engine.market import random_bars, signal_on


async def test_what_was_answered_is_rehearsed_until_nothing_has_come_for_a_while(monkeypatch):
    monkeypatch.setattr(rehearsal, "REHEARSE_FOR_S", 0.05)
    calls: list[int] = []
    kept_warm = Rehearsal(lambda: calls.append(1))
    await asyncio.sleep(0.02)
    assert not calls, "nothing has been answered yet"
    kept_warm.note()
    async with asyncio.timeout(5):
        while not calls:
            await asyncio.sleep(0.005)
        count = -1
        while count < len(calls):
            count = len(calls)
            await asyncio.sleep(0.2)
    kept_warm.note()
    async with asyncio.timeout(5):
        while len(calls) == count:
            await asyncio.sleep(0.005)
    kept_warm.close()
    count = len(calls)
    await asyncio.sleep(0.02)
    assert len(calls) == count


@pytest.mark.parametrize("ahead", [False, True])
def test_a_rehearsed_answer_is_the_last_one_and_leaves_no_trace(ahead: bool):
    alpha = StrategySettings(name="alpha", kind="external", features=("gap",))
    scorer, undisturbed = (
        Scorer((alpha,), load_feature_set(), session("us_equity")) for _ in range(2)
    )
    assert scorer.rehearse() is None
    bars = random_bars("AAA", 30, seed=2)
    for n, bar in enumerate(bars):
        told = bars[min(n + 1, 29)] if ahead else bar
        signal = msgspec.structs.replace(signal_on(told, f"s{n}"), features={"gap": n / 7})
        for event in (bar, signal):
            answers = scorer.step(event)
            assert answers == undisturbed.step(event)
            again = [scorer.rehearse() for _ in range(3)]
            if answers:
                assert [a.event for a in again if a is not None] == [answers[-1].event] * 3
    facts = [msgspec.msgpack.encode(one.save().facts) for one in (scorer, undisturbed)]
    assert facts[0] == facts[1]
