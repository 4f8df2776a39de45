"""What a listener hears is what nats-py's own parser would have told it, however bytes arrive."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.protocol.parser import AWAITING_CONTROL_LINE, Parser

from streams.direct_reader import LINE_BYTES_MAX, DirectReader
from streams.nats_client import HEADER_LINE

OURS, OTHERS = (1, 2), (3, 12)
Told = tuple[int, bytes, bytes, bytes, bytes]

names = st.from_regex(rb"[a-zA-Z0-9._$\x0b\x80-\xff-]{1,40}", fullmatch=True)


class Recorder:
    """What stands behind nats-py's parser: it notes all that it is told, in order."""

    def __init__(self) -> None:
        self.told: list[Told | str] = []

    async def _process_msg(self, sid, subject, reply, data, headers) -> None:
        self.told.append((sid, subject, reply, data, headers or b""))

    async def _process_ping(self) -> None:
        self.told.append("ping")

    async def _process_pong(self) -> None:
        self.told.append("pong")

    async def _process_err(self, error: str) -> None:
        self.told.append(error)


@st.composite
def commands(draw: st.DrawFn) -> bytes:
    if draw(st.integers(0, 6)) == 0:
        return draw(st.sampled_from([b"PING\r\n", b"PONG\r\n", b"+OK\r\n", b"-ERR 'no'\r\n"]))
    sid = draw(st.sampled_from(OURS * 3 + OTHERS))
    subject, payload = draw(names), draw(st.binary(max_size=60))
    reply = draw(st.just(b"") | names.map(lambda name: name + b" "))
    if draw(st.booleans()):
        return b"MSG %b %d %b%d\r\n%b\r\n" % (subject, sid, reply, len(payload), payload)
    block = HEADER_LINE + draw(st.binary(max_size=30)) + b"\r\n\r\n"
    sizes = b"%d %d" % (len(block), len(block) + len(payload))
    return b"HMSG %b %d %b%b\r\n%b%b\r\n" % (subject, sid, reply, sizes, block, payload)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in itertools.pairwise(places)]


async def told_by_both(chunks: list[bytes]) -> Recorder:
    """As the client does it: what the reader gives back goes to nats-py until that is done."""
    recorder = Recorder()
    parser = Parser(recorder)

    def handler_of(sid: int):
        return lambda s, r, payload, block: recorder.told.append((sid, s, r, payload, block))

    reader = DirectReader({b"%d" % sid: handler_of(sid) for sid in OURS}, pytest.fail)
    for chunk in chunks:
        is_behind = parser.buf or parser.state != AWAITING_CONTROL_LINE
        rest = chunk if is_behind else reader.take(chunk)
        if rest:
            await parser.parse(rest)
    return recorder


@given(st.lists(commands(), max_size=12), st.lists(st.integers(0, 10_000), max_size=12))
async def test_every_message_is_told_once_in_order_and_whole(sent: list[bytes], cuts: list[int]):
    data = b"".join(sent)
    alone = Recorder()
    await Parser(alone).parse(data)
    assert (await told_by_both(pieces(data, cuts))).told == alone.told


@pytest.mark.parametrize(
    "line",
    [
        b"PING\r\n",
        b"MSG box 9 1\r\nx\r\n",
        b"MSG  box 1 1\r\nx\r\n",
        b"MSG box 1 one\r\nx\r\n",
        b"MSG box 1 -1\r\nx\r\n",
        b"HMSG box 1 x 4\r\n",
        b"MSG box\r\n",
        b"\r\n",
        b"MSGS",
        b"MSG " + b"x" * LINE_BYTES_MAX,
    ],
)
def test_what_is_no_listeners_message_is_given_back_with_all_behind_it(line: bytes):
    heard: list[bytes] = []
    reader = DirectReader({b"1": lambda s, r, payload, h: heard.append(payload)}, pytest.fail)
    assert reader.take(b"MSG box 1 1\r\na\r\n" + line + b"PING\r\n") == line + b"PING\r\n"
    assert heard == [b"a"]


def test_a_large_message_is_put_together_once():
    heard: list[bytes] = []
    reader = DirectReader({b"1": lambda s, r, payload, h: heard.append(payload)}, pytest.fail)
    payload = bytes(4_000_000)
    whole = b"MSG box 1 %d\r\n%b\r\n" % (len(payload), payload)
    for start in range(0, len(whole), 32_768):
        assert reader.take(whole[start : start + 32_768]) == b""
    assert heard == [payload]


def test_a_handler_that_fails_is_told_of_and_the_next_message_is_heard():
    heard: list[bytes] = []
    failures: list[Exception] = []

    def handler(subject: bytes, reply: bytes, payload: bytes, block: bytes) -> None:
        if payload == b"1":
            raise ValueError("a defect")
        heard.append(payload)

    reader = DirectReader({b"1": handler}, failures.append)
    assert reader.take(b"MSG box 1 1\r\n1\r\nMSG box 1 1\r\n2\r\n") == b""
    assert heard == [b"2"]
    assert [str(error) for error in failures] == ["a defect"]
