"""The clients of the README, run as they stand, against a real broker and the real scorer."""

import asyncio
import contextlib
import re
import subprocess
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
    incarnation = await bus.incarnation(topology.INPUT)
    reading = await bus.read(topology.INPUT)
    while True:
        for message in await reading.next_batch(timeout_s=1.0):
            for index, answer in enumerate(scorer.step(codec.decode(message.payload))):
                answer_id = f"{incarnation}:{message.seq}:{index}"
                headers = {"Assay-Id": answer_id}
                payload = codec.encode(answer.event)
                await bus.publish(answer.subject, payload, msg_id=answer_id, headers=headers)


async def talk(program: str, url: str, folder: Path, answering: asyncio.Task[None]) -> str:
    """Run a client in a folder of its own; return what it printed."""
    assert README_URL in program
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program.replace(README_URL, url),
        stdout=asyncio.subprocess.PIPE,
        cwd=folder,
    )
    talking = asyncio.create_task(process.communicate())
    # Whichever ends first: a scorer that fails shows its own error, not the client's wait.
    ended, _ = await asyncio.wait(
        (talking, answering), timeout=CLIENT_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED
    )
    if not talking.done():
        process.kill()
    if answering in ended:
        answering.result()
    said, _ = await talking
    return said.decode()


def programs() -> list[str]:
    return [block.body for block in blocks("python") if block.document == "README.md"]


def program_with(words: str) -> str:
    (program,) = (program for program in programs() if words in program)
    return program


def said_by(program: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_extractor_of_the_readme_makes_training_data(tmp_path: Path):
    said = said_by(program_with("pl.DataFrame"), tmp_path)
    assert "Entry_Price" in said
    assert "shape: (0," not in said


def test_the_model_of_the_readme_says_in_any_program_what_it_said_when_it_was_loaded(
    tmp_path: Path,
):
    classes, prediction = said_by(program_with("SignalQualityModel"), tmp_path).splitlines()
    lost, won = map(float, re.findall(r"0\.\d+", classes))
    assert lost + won == pytest.approx(1.0)
    assert prediction.startswith(f"Prediction(probability={won:.4f}"[:-2])


@pytest.mark.broker
async def test_the_clients_of_the_readme_get_their_answers(tmp_path: Path):
    plain, with_marks = (program for program in programs() if README_URL in program)
    with EmbeddedBroker.start(tmp_path / "broker") as broker:
        bus = await NatsBus.connect(broker.url)
        await provision(bus.jetstream)
        answering = asyncio.create_task(answer_input(bus))
        said = await talk(plain, broker.url, tmp_path, answering)
        assert said.split() == ["my_engine-000001", "True", "0.7", "['no_model']"]
        said = await talk(with_marks, broker.url, tmp_path, answering)
        assert said.splitlines()[:2] == [
            "my_engine-000002 False True",
            "my_engine-000001 False True",
        ]
        assert "waiting=0, unmarked=0" in said
        answering.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await answering
        await bus.close()
