"""A scorer that is killed under a plain load: the load, the killing, and what nobody disturbs."""

import asyncio
import os
import random
import signal

from deploy.role_process import RoleProcess
from engine.settings import StrategySettings
from models.feature_set import load_feature_set
from models.onnx_session import load_model
from models.settings import MlSettings
from models.vector import vector_names
from streams import codec, subjects, topology
from streams.events import Deployment, Scored
from tests.engine.market import random_bars, signal_on
from tests.simulation.stage import make_scorer, record

SIGNALS = 2_000
KILLS = 3
SEED = 20_260_101
CONFIG = """
name: killed
strategies:
  - name: alpha
    kind: external
    ml: {prediction_mode: filter, confidence_threshold: 0.5}
"""
ALPHA = StrategySettings(
    name="alpha", kind="external", ml=MlSettings(prediction_mode="filter", confidence_threshold=0.5)
)


async def kill_and_restart(bus, scorer: RoleProcess, rng: random.Random) -> None:
    points = sorted(rng.randrange(SIGNALS // 20, SIGNALS * 3 // 4) for _ in range(KILLS))
    for point in [*points, None]:
        await scorer.start()
        assert await scorer.wait_ready(), scorer.last_words()
        if point is None:
            return
        async with asyncio.timeout(60):
            while await bus.last_seq(topology.SCORED) < point:
                await asyncio.sleep(0.002)
        os.kill(scorer.pid, signal.SIGKILL)
        await scorer.wait()


def history():
    """Bars and signals as they are published: each symbol's bars, signals among them."""
    events, number = [], 0
    lanes = [random_bars(symbol, 120, seed=n) for n, symbol in enumerate(("AAA", "BBB", "CCC"))]
    for instant in zip(*lanes, strict=True):
        events += instant
        for bar in instant:
            for _ in range(SIGNALS // 360 + 1):
                if number < SIGNALS:
                    events.append(signal_on(bar, f"s{number}", score=(number % 97) / 97))
                    number += 1
    return events


async def publish(bus) -> None:
    for count, event in enumerate(history()):
        is_bar = not hasattr(event, "signal_id")
        subject = (
            subjects.bar("1d", event.symbol) if is_bar else subjects.raw("alpha", event.symbol)
        )
        await bus.send(subject, codec.encode(event))
        if count % 20 == 0:
            await asyncio.sleep(0.02)
    await bus.flush()


async def answers_when_complete(bus) -> dict[str, list[bytes]]:
    wanted = ("signals.",)
    async with asyncio.timeout(60):
        while True:
            said = await record(bus, topology.SCORED, wanted)
            if sum(len(payloads) for payloads in said.values()) >= SIGNALS:
                break
            await asyncio.sleep(0.1)
    await asyncio.sleep(0.5)
    return await record(bus, topology.SCORED, wanted)


def undisturbed(deployment: Deployment, artifact, public_hex: str) -> dict[str, list[bytes]]:
    """What a scorer that nobody disturbs says, by subject."""
    scorer = make_scorer((ALPHA,))
    names = vector_names(load_feature_set().names, ())
    scorer.deploy(deployment, load_model(artifact, names, trusted_keys=(public_hex,)))
    said: dict[str, list[bytes]] = {}
    for event in history():
        for answer in scorer.step(event):
            assert isinstance(answer.event, Scored)
            said.setdefault(answer.subject, []).append(codec.encode(answer.event))
    assert sum(map(len, said.values())) == SIGNALS
    return said
