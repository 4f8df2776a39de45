"""The engine of the stream benchmarks: publishes signals, hears their answers, tells the times.

    python -m tests.benchmarks.client URL

Each line on standard input is a plan, each line on standard output what came of it. The load is
open: a signal goes out when it is due, whether or not earlier ones are answered. A time begins
right before a signal is published and ends when its answer is in the hands of this process.
"""

import asyncio
import itertools
import json
import sys
import time
from typing import Any

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from deploy.role_runtime import run_loop
from streams import codec, subjects
from tests.benchmarks.stage import SYMBOLS, history
from tests.engine.market import signal_on

RECENT_BARS = 100
PATIENCE_S = 20.0
CHUNK = 200


class Answered(msgspec.Struct):
    """What the scorer and the relay both say; the relay has no probability to speak of."""

    signal_id: str
    probability: float | None = 0.5


class Engine:
    def __init__(self, connection: Client) -> None:
        self._connection = connection
        self._numbers = itertools.count()
        self._bars = {symbol: history(symbol)[-RECENT_BARS:] for symbol in SYMBOLS}
        self._heard: list[tuple[int, bytes]] = []

    async def play(self, plan: dict[str, Any]) -> dict[str, Any]:
        strategies = plan["strategies"]
        signals = [
            self._signal(plan["raw"], strategies[number % len(strategies)])
            for number in range(plan["count"])
        ]
        self._heard = []
        subscription = None
        if plan["hears"]:
            subscription = await self._connection.subscribe(
                plan["heard"], cb=self._on_answer, pending_msgs_limit=0, pending_bytes_limit=0
            )
        await self._connection.flush()
        sent = await self._publish(signals, plan["rate"])
        if subscription is None:
            await self._connection.flush()
            return {"latency_us": [], "missing": 0, "silent": 0}
        deadline = time.monotonic() + PATIENCE_S
        while len(self._heard) < len(signals) and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        await subscription.unsubscribe()
        decode = msgspec.json.Decoder(Answered).decode
        answers = [(decode(payload), at) for at, payload in self._heard]
        heard = {answer.signal_id: at for answer, at in answers}
        silent = sum(answer.probability is None for answer, _ in answers)
        latency_us = [round((heard[i] - at) / 1e3, 1) for i, at in sent.items() if i in heard]
        missing = len(sent) - len(latency_us)
        return {"latency_us": latency_us, "missing": missing, "silent": silent}

    async def _publish(self, signals: list[tuple[str, str, bytes]], rate: float) -> dict[str, int]:
        sent: dict[str, int] = {}
        began = time.perf_counter()
        for number, (signal_id, subject, payload) in enumerate(signals):
            if rate:
                ahead_s = began + number / rate - time.perf_counter()
                if ahead_s > 0:
                    await asyncio.sleep(ahead_s)
            elif number % CHUNK == 0:
                await self._connection.flush()
            sent[signal_id] = time.perf_counter_ns()
            await self._connection.publish(subject, payload)
        return sent

    async def _on_answer(self, message: Msg) -> None:
        self._heard.append((time.perf_counter_ns(), message.data))

    def _signal(self, prefix: str, strategy: str) -> tuple[str, str, bytes]:
        number = next(self._numbers)
        symbol = SYMBOLS[number % len(SYMBOLS)]
        bar = self._bars[symbol][number // len(SYMBOLS) % RECENT_BARS]
        signal = signal_on(bar, f"s{number}", strategy, score=(number % 97) / 97)
        subject = f"{prefix}.{subjects.token(strategy)}.{subjects.token(symbol)}"
        return signal.signal_id, subject, codec.encode(signal)


async def main(url: str) -> None:
    connection = Client()
    await connection.connect(url)
    engine = Engine(connection)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        sys.stdout.write(json.dumps(await engine.play(json.loads(line))) + "\n")
        sys.stdout.flush()
    await connection.close()


if __name__ == "__main__":
    run_loop(main(sys.argv[1]))
