"""What is said of what cannot be honoured: a dead letter, and `rejected` where an id can be read.

Nothing here trusts a payload: names are cut to TEXT_MAX, and other fields are taken only where
they are of the type that the contract gives them.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from engine.answer import Answer
from streams import codec, subjects
from streams.columns import FRAME_ROWS_MAX
from streams.events import TEXT_MAX, Event, Scored


class Unread(NamedTuple):
    """What could be read of a raw signal that cannot be honoured."""

    signal_id: str
    strategy: str
    symbol: str
    interval: str
    ts: int

    def rejected(self, reason: str) -> Answer:
        """Return its one answer."""
        answer = Scored(
            signal_id=self.signal_id,
            strategy=self.strategy,
            symbol=self.symbol,
            interval=self.interval,
            ts=self.ts,
            side=0,
            score=0.0,
            price=0.0,
            stop=None,
            features={},
            probability=None,
            final_score=0.0,
            accepted=False,
            mode="none",
            threshold=0.0,
            weight=0.0,
            model=None,
            reasons=(f"invalid:{reason}",),
            inputs=b"",
            features_digest="",
        )
        return Answer(subjects.rejected(self.strategy, self.symbol), answer)


def dead_letter(subject: str, event: Event | bytes, error: str) -> Answer:
    """Return the dead letter of an event, or of a payload, that came on `subject`."""
    return Answer(subjects.dead_letter(subject), event, error=error)


def unread_signals(subject: str, payload: bytes) -> list[Unread]:
    """Return the signals of a raw payload whose id can be read, alone or in columns.

    Whose they are says the subject, which is what a publisher may be held to; a symbol that is
    not there is looked for in the payload.
    """
    tokens = subject.split(".")
    if tokens[:2] != ["signals", "raw"] or len(tokens) < 3:
        return []
    fields = codec.decode_loosely(payload)
    strategy = subjects.name_of(tokens[2])[:TEXT_MAX]
    names, symbols = fields.get("signal_ids"), fields.get("symbols")
    if isinstance(names, list) and isinstance(symbols, list):
        pairs = list(zip(names, symbols, strict=False))[:FRAME_ROWS_MAX]
        found = [unread(name, strategy, symbol, fields) for name, symbol in pairs]
    else:
        # A symbol with a dot that nobody encoded is still that symbol.
        named = ".".join(subjects.name_of(token) for token in tokens[3:])[:TEXT_MAX]
        symbol = fields.get("symbol") if named in ("", subjects.FRAME) else named
        found = [unread(fields.get("signal_id"), strategy, symbol, fields)]
    return [one for one in found if one is not None]


def unread(
    signal_id: object, strategy: str, symbol: object, fields: Mapping[str, Any]
) -> Unread | None:
    """Return what `fields` tell of a signal, or None without an id and a symbol."""
    if not (_is_name(signal_id) and _is_name(symbol)):
        return None
    interval, ts = fields.get("interval"), fields.get("ts")
    is_time = type(ts) is int and 0 < ts < 2**63
    return Unread(
        str(signal_id),
        strategy,
        str(symbol),
        interval[:TEXT_MAX] if isinstance(interval, str) else "",
        ts if is_time and isinstance(ts, int) else 0,
    )


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= TEXT_MAX
