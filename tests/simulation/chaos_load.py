"""A seeded load: everything that may stand in INPUT, good and bad, in every form of packing."""

import random
from collections.abc import Iterator

from streams import codec, subjects
from streams.columns import pack_bars, pack_signals
from streams.events import Bar, Deployment, Policy, Reset, Signal
from tests.engine.market import random_bars, signal_on

SYMBOLS = ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF", "BRK.B", "ES 12-26")
BLOCK_DAYS = 4
# At least so many answers belong to a block: two strategies' signals, bad rows, rows cut off.
BLOCK_ANSWERS = BLOCK_DAYS * (len(SYMBOLS) + 3) + 2 * len(SYMBOLS)

Input = tuple[str, bytes]


def chaos_load(rng: random.Random, blocks: int, deployments: list[Deployment]) -> list[Input]:
    """So many blocks of days, each with its bars, signals on them, and what cannot be honoured.

    The deployments come one by one, as far from each other as they can, policies between them.
    """
    lanes = [
        random_bars(symbol, blocks * BLOCK_DAYS, seed=rng.randrange(2**32)) for symbol in SYMBOLS
    ]
    days = [list(instant) for instant in zip(*lanes, strict=True)]
    every = -(-blocks // len(deployments))
    found: list[Input] = []
    for block in range(blocks):
        part = days[block * BLOCK_DAYS : (block + 1) * BLOCK_DAYS]
        if block % every == 0:
            # Meant from a bar of this block on: some of its signals are still the old one's.
            found.append(_deployed(deployments[block // every], part[1][0].ts if block else 1))
        if block % every == every // 2:
            found += _policies(rng, part[-1][0].ts)
        made = list(_signals(rng, block, part))
        if block + 1 < blocks:
            made.append(_on_no_bar(block, part))
        ahead = rng.randrange(8)
        found += [*made[:ahead], *_bars(rng, part), *made[ahead:], *_bad(block, part[1])]
    return found


def _deployed(deployment: Deployment, effective_ts: int) -> Input:
    strategy, version, digest = deployment.strategy, deployment.version, deployment.digest
    event = Deployment(strategy, None, version, digest, effective_ts, None, {})
    return subjects.deployed(strategy), codec.encode(event)


def _policies(rng: random.Random, ts: int) -> Iterator[Input]:
    """Blocked, and let go again at a bar to come; a symbol's history begins anew."""
    yield subjects.policy("alpha"), codec.encode(Policy("alpha", "block", "o", "w"))
    resume = Policy("alpha", "resume", "o", "w", ts)
    yield subjects.policy("alpha"), codec.encode(resume)
    split = rng.choice(SYMBOLS)
    yield subjects.reset(split), codec.encode(Reset(split, ts, "split"))


def _bars(rng: random.Random, days: list[list[Bar]]) -> Iterator[Input]:
    """Bars one by one, an instant in columns, or runs in columns."""
    singles = rng.randrange(len(days) - 1)
    for number, instant in enumerate(days[: singles + 1]):
        if number < singles:
            for bar in instant:
                yield subjects.bar("1d", bar.symbol), codec.encode(bar)
        else:
            yield subjects.frame("1d"), codec.encode(pack_bars(instant), "msgpack")
    for lane in zip(*days[singles + 1 :], strict=True):
        yield subjects.frame("1d"), codec.encode(pack_bars(list(lane)), "msgpack")


def _signals(rng: random.Random, block: int, days: list[list[Bar]]) -> Iterator[Input]:
    """Signals alone and in columns, some of them twice; another strategy's among them."""
    for number, instant in enumerate(days):
        signals = [
            signal_on(bar, f"{block}-{number}-{bar.symbol}", score=round(rng.random(), 3))
            for bar in instant
        ]
        if rng.random() < 0.5:
            columns = codec.encode(pack_signals(signals), "msgpack")
            yield from [(subjects.raw_frame("alpha"), columns)] * rng.choice((1, 1, 2))
        else:
            singles = [_raw(one) for one in signals]
            yield from singles
            yield rng.choice(singles)
        for bar in rng.sample(instant, 3):
            name = f"b-{block}-{number}-{bar.symbol}"
            yield _raw(signal_on(bar, name, "beta", features={"gap": rng.gauss(0.0, 0.01)}))


def _on_no_bar(block: int, days: list[list[Bar]]) -> Input:
    """A signal between two bars, which waits for the second."""
    last = days[-1][block % len(SYMBOLS)]
    return _raw(signal_on(last, f"between-{block}", ts=last.ts + 1))


def _bad(block: int, instant: list[Bar]) -> Iterator[Input]:
    """What cannot be honoured: messages, rows, whole columns."""
    yield subjects.bar("1d", "CCC"), b"no bar"
    yield _raw(signal_on(instant[1], f"{block}-0-AAA", score=0.9))
    rows = [
        signal_on(bar, f"bad-{block}-{bar.symbol}", side=n % 2) for n, bar in enumerate(instant)
    ]
    yield subjects.raw_frame("alpha"), codec.encode(pack_signals(rows), "msgpack")
    yield _raw(signal_on(instant[3], f"g-{block}", "gamma"))
    names = ",".join(f'"{block}-x-{symbol}"' for symbol in SYMBOLS)
    named = ",".join(f'"{symbol}"' for symbol in SYMBOLS)
    cut_off = f'{{"type":"signals","signal_ids":[{names}],"symbols":[{named}]}}'
    yield subjects.raw_frame("alpha"), cut_off.encode()
    false = [Bar(b.symbol, b.interval, b.ts, b.open, b.low, b.high, b.close, 1.0) for b in instant]
    yield subjects.frame("1d"), codec.encode(pack_bars(false), "msgpack")
    yield _deployed(Deployment("gamma", None, "none", "0" * 64, 1, None, {}), 1)


def _raw(signal: Signal) -> Input:
    return subjects.raw(signal.strategy, signal.symbol), codec.encode(signal)
