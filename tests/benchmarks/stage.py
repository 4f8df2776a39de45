"""What the stream benchmarks stand on: a broker, role processes, the floor relay, a client.

Everything that is measured runs as a process of its own, as in a real run; the benchmark only
gives orders and reads figures.
"""

import asyncio
import json
import os
import platform
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from deploy.launch import role_commands
from deploy.role_process import RoleProcess
from deploy.state import StateDir
from deploy.trust import ensure_signing_key
from models.artifact import Artifact
from models.card import version_of
from models.context import CONTEXT_SIZE
from models.feature_set import load_feature_set
from models.input_guard import fit_input_guard
from models.registry import Registry
from models.signing import SigningKey
from models.vector import vector_names
from streams import codec, subjects, topology
from streams.broker import EmbeddedBroker
from streams.events import Bar, Deployment, Progress, Scored
from streams.nats_bus import NatsBus
from streams.provision import provision
from streams.session import session
from tests.engine.market import random_bars, signal_on
from tests.models.tiny_model import tiny_artifact

STRATEGY = "alpha"
SYMBOLS = tuple(f"SYM{n}" for n in range(8))
# A model speaks once its features no longer depend on where the bars began.
WARM_BARS = 520
BARS = WARM_BARS + 100
MODEL_COLUMNS = 40
FLOOR_IN, FLOOR_OUT = "FLOOR_IN", "FLOOR_OUT"
OURS_SUBJECTS = ("signals.raw", "signals.scored")
FLOOR_SUBJECTS = ("floor.raw", "floor.scored")
READY_S = 60.0
# The input guard's budget, and the same again.
SILENT_MAX = 0.02
CONFIG = """
name: bench
strategies:
  - name: alpha
    kind: external
    ml: {prediction_mode: score_enhancement}
"""


@dataclass(slots=True)
class Stage:
    """A broker with every stream, the floor's two beside them, and a bus to look on."""

    folder: Path
    state: StateDir
    key: SigningKey
    url: str
    bus: NatsBus
    broker_pid: int

    def role(self, role: str, config: str = CONFIG) -> RoleProcess:
        """One role as a process; not started yet."""
        file = self.folder / "bench.yaml"
        file.write_text(config)
        command = role_commands((role,), file, (), self.url, self.state)[role]
        return RoleProcess(role, command, self.state.logs / f"{role}.log")

    def relay(self, *, bare: bool = False) -> RoleProcess:
        """The floor: pull, publish with an id, acknowledge; `bare`: what comes in goes out."""
        size = () if bare else (str(answer_bytes()),)
        command = (sys.executable, "-m", "tests.benchmarks.relay", self.url, FLOOR_IN, *size)
        return RoleProcess("relay", command, self.state.logs / "relay.log")


@asynccontextmanager
async def staged() -> AsyncIterator[Stage]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        state = StateDir(folder / "state")
        state.make()
        key = ensure_signing_key(state)
        with EmbeddedBroker.start(state.root) as broker:
            bus = await NatsBus.connect(broker.url, name="bench")
            try:
                await provision(bus.jetstream)
                await provision_floor(bus)
                yield Stage(folder, state, key, broker.url, bus, broker.pid)
            finally:
                await bus.close()


async def provision_floor(bus: NatsBus) -> None:
    """The floor's streams have the very settings of INPUT and SCORED."""
    for ours, floor, names, republish in (
        (topology.INPUT, FLOOR_IN, ["floor.raw.>"], None),
        (
            topology.SCORED,
            FLOOR_OUT,
            ["floor.scored.*.*"],
            {"src": "floor.scored.*.*", "dest": "floor.scored"},
        ),
    ):
        config = dict((await bus.jetstream.stream_state(ours)).config)
        config |= {"name": floor, "subjects": names}
        config.pop("republish", None)
        if republish:
            config["republish"] = republish
        await bus.jetstream.call(f"STREAM.CREATE.{floor}", config)


@asynccontextmanager
async def started(*processes: RoleProcess) -> AsyncIterator[None]:
    try:
        for process in processes:
            await process.start()
        async with asyncio.timeout(READY_S):
            for process in processes:
                assert await process.wait_ready(), f"{process.role}: {process.last_words()}"
        yield
    finally:
        for process in processes:
            await process.stop()


class ClientProcess:
    """The engine's side: one process that publishes signals and hears their answers."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> "ClientProcess":
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.benchmarks.client", self._url),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=64 * 1024 * 1024,
        )
        return self

    async def __aexit__(self, *exception: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    async def play(
        self,
        where: tuple[str, str],
        rate: float,
        count: int,
        *,
        hears: bool = True,
        strategies: Sequence[str] = (STRATEGY,),
    ) -> np.ndarray:
        """Publish `count` signals at `rate` a second (0: at once) on the subjects `where`.

        The strategies take turns. Returns the time from publish to answer of each in
        microseconds, or nothing when the client is told not to listen.
        """
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        plan = {"raw": where[0], "heard": where[1], "rate": rate, "count": count, "hears": hears}
        plan["strategies"] = tuple(strategies)
        self._process.stdin.write(json.dumps(plan).encode() + b"\n")
        line = await self._process.stdout.readline()
        assert line, "the client ended"
        told = json.loads(line)
        assert told["missing"] == 0, f"{told['missing']} of {count} signals were not answered"
        assert told["silent"] <= SILENT_MAX * count, f"no model spoke on {told['silent']} signals"
        return np.array(told["latency_us"], dtype=np.float64)


def history(symbol: str) -> list[Bar]:
    """The bars that every signal of the benchmarks is made on: the same in every process."""
    return random_bars(symbol, BARS, seed=SYMBOLS.index(symbol))


async def publish_history(bus: NatsBus) -> None:
    for symbol in SYMBOLS:
        for bar in history(symbol):
            await bus.send(subjects.bar(bar.interval, symbol), codec.encode(bar))
    await bus.flush()


def model(key: SigningKey, number: int = 0, strategy: str = STRATEGY) -> Artifact:
    """A guarded logistic model of MODEL_COLUMNS features; each `number` is another model."""
    features = load_feature_set()
    rows = np.concatenate([feature_rows(symbol) for symbol in SYMBOLS])
    usable = [n for n in range(rows.shape[1]) if np.isfinite(rows[:, n]).all()][:MODEL_COLUMNS]
    return tiny_artifact(
        tuple(features.names[n] for n in usable),
        (0.01 + number * 1e-4,) * len(usable),
        0.0,
        strategy=strategy,
        signer=key,
        input_guard=fit_input_guard(rows[:, usable]),
    )


@lru_cache(maxsize=len(SYMBOLS))
def feature_rows(symbol: str) -> np.ndarray:
    """What a model may have been trained on: a symbol's features, once they are warm."""
    bars = history(symbol)
    contexts = np.full((len(bars), CONTEXT_SIZE), np.nan)
    zone = session("us_equity")
    contexts[:, 0] = [zone.utc_offset_seconds(bar.ts) for bar in bars]
    values = [(bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars]
    return load_feature_set().compute([bar.ts for bar in bars], values, contexts)[WARM_BARS:]


def answer_bytes() -> int:
    """The length of a scorer's usual answer."""
    bar, names = history(SYMBOLS[0])[-1], vector_names(load_feature_set().names, ())
    signal = signal_on(bar, "s10000", STRATEGY, score=14 / 97)
    told = {name: getattr(signal, name) for name in signal.__struct_fields__}
    return len(
        codec.encode(
            Scored(
                **told,
                probability=14 / 97,
                final_score=14 / 97,
                accepted=True,
                mode="score_enhancement",
                threshold=0.5,
                weight=0.3,
                model=version_of(STRATEGY, "0" * 64),
                reasons=(),
                inputs=bytes(4 * len(names)),
                features_digest="0" * 64,
            )
        )
    )


def deployment(artifact: Artifact) -> bytes:
    event = Deployment(STRATEGY, None, artifact.version, artifact.digest, 1, None, {})
    return codec.encode(event)


async def deploy(bus: NatsBus, artifact: Artifact) -> None:
    await Registry(bus).put(artifact)
    await bus.publish(subjects.deployed(STRATEGY), deployment(artifact))


async def furnish(stage: Stage) -> None:
    """Bars and a model, so that every signal goes the whole way."""
    await publish_history(stage.bus)
    await deploy(stage.bus, model(stage.key))


async def caught_up(bus: NatsBus, timeout_s: float = READY_S) -> None:
    """Wait until the scorer has said that it has taken all of INPUT."""
    last = await bus.last_seq(topology.INPUT)
    subscription = await bus.read(topology.SCORED, 1, ("progress.scorer.>",))
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                for message in await subscription.next_batch(1.0):
                    event = codec.decode(message.payload)
                    if isinstance(event, Progress) and event.seq >= last:
                        return
    finally:
        await subscription.close()


async def stored_per_s(bus: NatsBus, stream: str, wanted: str, count: int) -> float:
    """Wait until `count` messages of `wanted` are stored; how many were, a second.

    By the server's own stamps, so that neither start-up nor this reader is in the figure.
    """
    subscription = await bus.read(stream, 1, (wanted,))
    times: list[int] = []
    try:
        async with asyncio.timeout(READY_S + count / 500):
            while len(times) < count:
                times += [message.time_ns for message in await subscription.next_batch(1.0)]
    finally:
        await subscription.close()
    return (len(times) - 1) / ((times[-1] - times[0]) / 1e9)


def cpu_seconds(pid: int) -> float:
    """The processor time that a process has taken so far."""
    # The name, in brackets, may hold anything; user and system ticks are the 12th and 13th behind.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid: int) -> dict[str, float]:
    """Resident memory of a process, now and at its highest, and what of it is its own."""
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    rollup = dict(
        line.split(":", 1)
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    )

    def mib(text: str) -> float:
        return round(int(text.split()[0]) / 1024, 1)

    return {
        "resident_mib": mib(status["VmRSS"]),
        "highest_mib": mib(status["VmHWM"]),
        "anonymous_mib": mib(rollup["Anonymous"]),
    }


def percentiles(rounds: list[np.ndarray]) -> dict[str, float]:
    """p50 and p99 as the median round has them, so that one disturbed round does not speak for
    all; p99.9 over all rounds together, for it needs their samples.
    """
    by_round = np.array([np.percentile(values, [50, 99]) for values in rounds])
    p50, p99 = np.median(by_round, axis=0)
    p999 = np.percentile(np.concatenate(rounds), 99.9)
    return {"p50_us": round(p50, 1), "p99_us": round(p99, 1), "p999_us": round(p999, 1)}


def ratios(ours: dict[str, float], floor: dict[str, float]) -> dict[str, float]:
    return {name.removesuffix("_us"): round(ours[name] / floor[name], 2) for name in ours}


def machine() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def told(figures: dict[str, Any], indent: str = "") -> str:
    lines = []
    for name, value in figures.items():
        if isinstance(value, dict):
            lines += [f"{indent}{name}", told(value, indent + "  ")]
        else:
            lines.append(f"{indent}{name:<{34 - len(indent)}}{value}")
    return "\n".join(lines)
