"""A trading engine that knows nothing of Assay's Python: core NATS, JSON in, JSON out."""

import asyncio
import json
from collections import defaultdict
from typing import Any

import nats

DAY_NS = 86_400_000_000_000
START_NS = 1_700_000_000_000_000_000
ANSWER_TIMEOUT_S = 30.0
SILENCE_S = 1.0


def bar(symbol: str, day: int) -> dict[str, Any]:
    close = 100.0 + (day * 7) % 11 - 0.3 * (day % 3)
    return {
        "type": "bar",
        "symbol": symbol,
        "interval": "1d",
        "ts": START_NS + day * DAY_NS,
        "open": close - 0.5,
        "high": close + 1.0,
        "low": close - 1.0,
        "close": close,
        "volume": 1e6 + day,
    }


def signal(strategy: str, symbol: str, day: int, signal_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "type": "signal",
        "signal_id": signal_id,
        "strategy": strategy,
        "symbol": symbol,
        "interval": "1d",
        "ts": START_NS + day * DAY_NS,
        "side": 1,
        "score": 0.6,
        "price": 100.0,
        "stop": 95.0,
    } | changes


class PlainClient:
    """Publishes dictionaries and keeps every answer, by signal id, with its subject."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.answers: dict[str, list[tuple[str, dict[str, Any]]]] = defaultdict(list)

    @classmethod
    async def connect(cls, url: str) -> "PlainClient":
        client = cls(await nats.connect(url))
        for subject in ("signals.scored", "signals.rejected.>"):
            await client._connection.subscribe(subject, cb=client._note)
        await client._connection.flush()
        return client

    async def publish(self, subject: str, payload: dict[str, Any] | bytes) -> None:
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        await self._connection.publish(subject, data)

    async def publish_bars(self, symbol: str, days: range) -> None:
        for day in days:
            await self.publish(f"bars.1d.{symbol}", bar(symbol, day))
        await self._connection.flush()

    async def publish_signal(self, values: dict[str, Any]) -> None:
        await self.publish(f"signals.raw.{values['strategy']}.{values['symbol']}", values)

    async def wait_for(self, signal_ids: list[str]) -> None:
        """Return when each id has an answer, and some silence after that."""
        await self._connection.flush()
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            while not all(name in self.answers for name in signal_ids):
                await asyncio.sleep(0.02)
        # A second answer would come right behind the first.
        await asyncio.sleep(SILENCE_S)

    async def close(self) -> None:
        await self._connection.close()

    async def _note(self, message: Any) -> None:
        payload = json.loads(message.data)
        self.answers[payload["signal_id"]].append((message.subject, payload))
