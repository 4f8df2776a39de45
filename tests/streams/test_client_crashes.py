"""Whatever a broker delivers again, a scorer repeats, and wherever an engine is killed: each
answer has its effect once, in order per strategy and symbol.
"""

import asyncio
import random
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.bus import Bus
from streams.client import Client
from streams.mark_file import FileMarks
from streams.marks import Mark, MarkStore, MemoryMarks
from streams.memory_bus import MemoryBus
from tests.streams.engine import PLENTY_S, Said, say, scored, signal

SYMBOLS = ("AAPL", "BRK.B", "ES 12-26")
CURTAIN, LAST_CURTAIN = 1_000_000, 2_000_000

Effect = tuple[str, int, int]


class Journal:
    """An engine with a database: effect and mark are one transaction, or neither is."""

    def __init__(self) -> None:
        self.effects: list[Effect] = []
        self.marks: dict[tuple[str, str], Mark] = {}

    def commit(self, effect: Effect, mark: Mark) -> None:
        self.effects.append(effect)
        self.marks[mark.strategy, mark.symbol] = mark

    async def load(self) -> list[Mark]:
        return list(self.marks.values())

    async def save(self, mark: Mark) -> None:
        """The mark is written with the effect."""

    async def close(self) -> None:
        """Nothing was taken."""


class Life:
    """One life of an engine: how many answers it takes, and where in the next it is killed."""

    def __init__(self, answers: int, killed: str) -> None:
        self.answers = answers
        self.killed = killed

    def __repr__(self) -> str:
        return f"Life({self.answers}, {self.killed!r})"


async def live(bus: Bus, store: MarkStore, effects: list[Effect], life: Life | None) -> bool:
    """Live one life, up to the next curtain; True once the last has come."""
    client = await Client.open(bus, marks=store)
    try:
        async with asyncio.timeout(PLENTY_S):
            taken = 0
            async for reply in client.answers():
                assert reply.answer_id is not None
                effect = (reply.scored.symbol, reply.answer_id.sequence, reply.answer_id.index)
                if effect[1] == LAST_CURTAIN or (effect[1] == CURTAIN and life is not None):
                    return effect[1] == LAST_CURTAIN
                if effect[1] == CURTAIN:
                    continue
                killed = life.killed if life is not None and taken == life.answers else ""
                if killed == "before the effect":
                    return False
                if isinstance(store, Journal):
                    store.commit(effect, client.mark_after(reply))
                else:
                    effects.append(effect)
                if killed == "before the mark":
                    return False
                await client.done(reply)
                if killed == "after the mark":
                    return False
                taken += 1
    finally:
        # Nothing is marked at the close: it only frees what a killed process would.
        await client.close()
    return False


async def publish(bus: Bus, answers: list[Said], runs: list[tuple[int, int]]) -> None:
    """Publish the answers in order; before each run, earlier ones are said again."""
    place = 0
    for ahead, back in runs:
        for said in answers[max(0, place - back) : place]:
            await say(bus, said, is_repeat=True)
        for said in answers[place : place + ahead]:
            await say(bus, said)
        place = min(len(answers), place + ahead)
    for said in answers[place:]:
        await say(bus, said)


async def drama(
    bus: Bus, answers: list[Said], runs: list[tuple[int, int]], lives: list[Life], store: MarkStore
) -> list[Effect]:
    effects: list[Effect] = store.effects if isinstance(store, Journal) else []
    half = len(runs) // 2
    await publish(bus, answers[: len(answers) // 2], runs[:half])
    await say(bus, Said(CURTAIN, 0, scored(signal(1, "curtain"))))
    for life in lives:
        await live(bus, store, effects, life)
    await publish(bus, answers, [(len(answers) // 2, 0), *runs[half:]])
    await say(bus, Said(LAST_CURTAIN, 0, scored(signal(2, "curtain"))))
    async with asyncio.timeout(PLENTY_S):
        while not await live(bus, store, effects, None):
            pass
    return effects


def answers_of(places: list[tuple[int, int, int]]) -> list[Said]:
    """Answers with growing ids: (symbol, step of the sequence, step of the index)."""
    answers, seq, index = [], 0, 0
    for number, (symbol, seq_step, index_step) in enumerate(places, 1):
        seq, index = (seq + seq_step, 0) if seq_step else (max(seq, 1), index + index_step)
        event = scored(signal(number, SYMBOLS[symbol]), accepted=number % 3 != 0)
        answers.append(Said(seq, index, event))
    return answers


def expected(answers: list[Said], symbol: str) -> list[Effect]:
    return [(symbol, said.seq, said.index) for said in answers if said.event.symbol == symbol]


def check_each_once_in_order(effects: list[Effect], answers: list[Said]) -> None:
    for symbol in SYMBOLS:
        assert [effect for effect in effects if effect[0] == symbol] == expected(answers, symbol)


def check_at_least_once(effects: list[Effect], answers: list[Said], lives: list[Life]) -> None:
    """Only an answer whose engine died between effect and mark has its effect again."""
    counts = Counter(effects)
    assert set(counts) == {(said.event.symbol, said.seq, said.index) for said in answers}
    again = sum(counts.values()) - len(counts)
    assert again <= sum(life.killed == "before the mark" for life in lives)
    check_each_once_in_order(list(dict.fromkeys(effects)), answers)


KILLED = ("before the effect", "before the mark", "after the mark")
PLACES = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from([0, 1, 2, 90]), st.integers(1, 12)),
    min_size=1,
    max_size=24,
)
RUNS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 30)), max_size=8)
LIVES = st.lists(st.builds(Life, st.integers(0, 6), st.sampled_from(KILLED)), max_size=5)


@settings(max_examples=60)
@given(PLACES, RUNS, LIVES)
def test_with_the_mark_in_its_transaction_an_engine_acts_exactly_once(places, runs, lives):
    answers = answers_of(places)
    store = Journal()
    asyncio.run(drama(MemoryBus(), answers, runs, lives, store))
    check_each_once_in_order(store.effects, answers)


@settings(max_examples=60)
@given(PLACES, RUNS, LIVES)
def test_with_the_mark_behind_the_effect_only_the_answer_in_hand_comes_again(places, runs, lives):
    answers = answers_of(places)
    with TemporaryDirectory() as folder:
        store = FileMarks(Path(folder) / "marks")
        effects = asyncio.run(drama(MemoryBus(), answers, runs, lives, store))
    check_at_least_once(effects, answers, lives)


@pytest.mark.broker
@pytest.mark.parametrize("kind", [Journal, MemoryMarks])
async def test_the_same_over_a_broker(nats_bus: Bus, kind: type[MarkStore]):
    chance = random.Random(7)
    answers = answers_of(
        [(chance.randrange(3), chance.choice((0, 1, 3)), chance.randint(1, 12)) for _ in range(300)]
    )
    runs = [(chance.randrange(20), chance.randrange(100)) for _ in range(20)]
    lives = [Life(chance.randrange(20), chance.choice(KILLED)) for _ in range(12)]
    effects = await drama(nats_bus, answers, runs, lives, kind())
    if kind is Journal:
        check_each_once_in_order(effects, answers)
    check_at_least_once(effects, answers, lives)
