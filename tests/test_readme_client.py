"""The client of the README, run as it stands, against a real broker and the real scorer."""

import asyncio
import contextlib
import sys
from pathlib import Path

import pytest

from deploy.config import load_run
from engine.scorer import Scorer
from models.feature_set import load_feature_set
from streams import codec, topology
from streams.broker import EmbeddedBroker
from streams.bus import Bus
from streams.nats_bus import NatsBus
from streams.provision import provision
from streams.session import session
from tests.documents import blocks
from tests.house import ROOT

README_URL = "nats://127.0.0.1:4222"
CLIENT_TIMEOUT_S = 60


async def answer_input(bus: Bus) -> None:
    """What the scorer's role does, without its shell."""
    settings = load_run(ROOT / "configs" / "quickstart.yaml", environment={})
    scorer = Scorer(settings.strategies, load_feature_set(), session(settings.data.session))
    reading = await bus.read(topology.INPUT)
    while True:
        for message in await reading.next_batch(timeout_s=1.0):
            for answer in scorer.step(codec.decode(message.payload)):
                await bus.publish(answer.subject, codec.encode(answer.event))


@pytest.mark.broker
async def test_the_client_of_the_readme_gets_its_answer(tmp_path: Path):
    [client] = [block for block in blocks("python") if block.document == "README.md"]
    with EmbeddedBroker.start(tmp_path) as broker:
        bus = await NatsBus.connect(broker.url)
        await provision(bus.jetstream)
        answering = asyncio.create_task(answer_input(bus))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            client.body.replace(README_URL, broker.url),
            stdout=asyncio.subprocess.PIPE,
        )
        talking = asyncio.create_task(process.communicate())
        # Whichever ends first: a scorer that fails shows its own error, not the client's wait.
        ended, _ = await asyncio.wait(
            (talking, answering), timeout=CLIENT_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED
        )
        if answering in ended:
            process.kill()
            answering.result()
        said, _ = await talking
        answering.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await answering
        await bus.close()
    assert README_URL in client.body
    assert said.decode().split() == ["my_engine-000001", "True", "0.7", "['no_model']"]
