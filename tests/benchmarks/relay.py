"""The floor of the stream benchmarks: a durable relay that does nothing else.

    python -m tests.benchmarks.relay URL STREAM [BYTES]

Pulls `floor.raw.<a>.<b>` by a durable consumer, publishes the payload on `floor.scored.<a>.<b>`
with an id, and acknowledges when it is stored. Bare nats-py: what a message costs before anybody
thinks about it.

An answer is several times as long as the signal it answers, and bytes cost time on their way, in
the server and in whoever reads them. With BYTES the payload goes out with a constant field
`inputs` behind its own, so long that it has BYTES bytes: the same payloads in and out as a
scorer's. Without, the bytes go out as they came.
"""

import asyncio
import itertools
import json
import sys

from nats.aio.client import Client
from nats.aio.msg import Msg

from deploy.role_runtime import run_loop, say_ready, stop_on_signals

PULL = 1024
UNACKNOWLEDGED_MAX = 65_536
API = "$JS.API.CONSUMER"
FIELD, FIELD_END = b',"inputs":"', b'"}'


class Relay:
    def __init__(self, connection: Client, stream: str, answer_bytes: int = 0) -> None:
        self._answer_bytes = answer_bytes
        self._filler = b"A" * answer_bytes
        self._connection = connection
        self._stream = stream
        self._pulled = connection.new_inbox()
        self._stored = connection.new_inbox() + "."
        self._wanted = 0
        self._tokens = itertools.count()
        self._unacknowledged: dict[str, str] = {}

    async def open(self) -> None:
        config = {
            "durable_name": "relay",
            "ack_policy": "explicit",
            "max_ack_pending": UNACKNOWLEDGED_MAX,
        }
        body = json.dumps({"stream_name": self._stream, "config": config}).encode()
        answer = await self._connection.request(f"{API}.CREATE.{self._stream}.relay", body)
        assert b'"error"' not in answer.data, answer.data
        endless = {"pending_msgs_limit": 0, "pending_bytes_limit": 0}
        await self._connection.subscribe(self._pulled, cb=self._on_message, **endless)
        await self._connection.subscribe(self._stored + "*", cb=self._on_stored, **endless)
        await self._pull()

    async def _pull(self) -> None:
        while self._wanted <= PULL // 2:
            self._wanted += PULL
            await self._connection.publish(
                f"{API}.MSG.NEXT.{self._stream}.relay",
                json.dumps({"batch": PULL}).encode(),
                reply=self._pulled,
            )

    async def _on_message(self, message: Msg) -> None:
        token = format(next(self._tokens), "x")
        self._unacknowledged[token] = message.reply
        await self._connection.publish(
            message.subject.replace("raw", "scored", 1),
            self._answer(message.data),
            reply=self._stored + token,
            headers={"Nats-Msg-Id": token},
        )
        self._wanted -= 1
        if self._wanted <= PULL // 2:
            await self._pull()

    def _answer(self, data: bytes) -> bytes:
        missing = self._answer_bytes - len(data) - len(FIELD) - len(FIELD_END) + 1
        if missing < 0:
            return data
        return data[:-1] + FIELD + self._filler[:missing] + FIELD_END

    async def _on_stored(self, message: Msg) -> None:
        assert b'"error"' not in message.data, message.data
        token = message.subject[len(self._stored) :]
        await self._connection.publish(self._unacknowledged.pop(token), b"+ACK")


async def main(url: str, stream: str, answer_bytes: str = "0") -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)
    connection = Client()
    await connection.connect(url)
    await Relay(connection, stream, int(answer_bytes)).open()
    say_ready("relay")
    await stop.wait()
    await connection.close()


if __name__ == "__main__":
    run_loop(main(*sys.argv[1:4]))
