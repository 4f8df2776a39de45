"""What a replay publishes in one go: an instant or a block of history, as messages."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from streams import codec, subjects
from streams.block import BLOCK_BARS_MAX, Block
from streams.columns import BarColumns, frame_of, pack_bars
from streams.events import Bar, Signal

FRAME_BARS_MAX = BLOCK_BARS_MAX

Instant = Sequence[Bar | Signal]
RawMessage = tuple[str, bytes]


class Batch(NamedTuple):
    """Messages that go out together: those of bars, and behind them those of signals.

    `depth` is the number of bars that any one series has in it, at most RUN_BARS_MAX.
    """

    bar_messages: list[RawMessage]
    signal_messages: list[RawMessage]
    last_ts: int
    instants: int
    bars: int
    depth: int


def batches(history: Iterable[Instant | Block], *, as_frames: bool = True) -> Iterator[Batch]:
    """Yield `history` as batches; without `as_frames` an instant's bars are a message each."""
    for part in history:
        if isinstance(part, Block):
            yield _of_block(part)
        elif part:
            yield _of_instant(part, as_frames)


def _of_block(block: Block) -> Batch:
    return Batch(
        bar_messages=[_message(part) for frame in block.frames for part in _parts(frame)],
        signal_messages=[],
        last_ts=block.last_ts,
        instants=block.instants,
        bars=block.bars,
        depth=block.depth,
    )


def _parts(frame: BarColumns) -> Iterator[BarColumns]:
    """Cut a frame that is too large for a message; it can only be one instant."""
    if len(frame.ts) <= FRAME_BARS_MAX:
        yield frame
        return
    for start in range(0, len(frame.ts), FRAME_BARS_MAX):
        yield frame.part(start, start + FRAME_BARS_MAX)


def _message(frame: BarColumns) -> RawMessage:
    if len(frame.ts) == 1:
        return subjects.bar(frame.interval, frame.symbols[0]), codec.encode(frame.bar(0))
    if frame.is_run:
        subject = subjects.bar(frame.interval, frame.symbols[0])
    else:
        subject = subjects.frame(frame.interval)
    return subject, codec.encode(frame_of(frame), "msgpack")


def _of_instant(instant: Instant, as_frames: bool) -> Batch:
    bars = [event for event in instant if isinstance(event, Bar)]
    signals = [event for event in instant if isinstance(event, Signal)]
    by_interval: dict[str, list[Bar]] = {}
    for bar in bars:
        by_interval.setdefault(bar.interval, []).append(bar)
    frames = [
        message
        for interval, group in by_interval.items()
        for message in _bar_messages(interval, group, as_frames)
    ]
    said = [(subjects.raw(one.strategy, one.symbol), codec.encode(one)) for one in signals]
    return Batch(frames, said, instant[0].ts, 1, len(bars), 1 if bars else 0)


def _bar_messages(interval: str, bars: list[Bar], as_frames: bool) -> list[RawMessage]:
    if not as_frames or len(bars) == 1:
        return [(subjects.bar(interval, bar.symbol), codec.encode(bar)) for bar in bars]
    return [
        (
            subjects.frame(interval),
            codec.encode(pack_bars(bars[start : start + FRAME_BARS_MAX]), "msgpack"),
        )
        for start in range(0, len(bars), FRAME_BARS_MAX)
    ]
