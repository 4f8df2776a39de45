"""What a verification finds: differences, figures by stream, and the span that is reported."""

import msgspec

from engine.replays.payload_difference import FieldDifference

_LAST = 2**63 - 1


class Span(msgspec.Struct, frozen=True):
    """What is reported: answers to INPUT sequences and of event times (`ts`) between these."""

    first_seq: int = 0
    last_seq: int = _LAST
    first_ts: int = -_LAST
    last_ts: int = _LAST

    def covers(self, seq: int, ts: int) -> bool:
        """Whether an answer to `seq`, of event time `ts`, is reported."""
        return self.first_seq <= seq <= self.last_seq and self.first_ts <= ts <= self.last_ts


class Difference(msgspec.Struct, frozen=True):
    """One answer that is not as it should be.

    `kind` is `differs`, `missing` or `extra`; `sequence` is that of `stream`, 0 for what is
    missing; `cause_seq` is the message of INPUT that is answered, 0 where nothing says which.
    """

    kind: str
    stream: str
    subject: str
    sequence: int
    id: str
    cause_seq: int
    signal_id: str
    fields: tuple[FieldDifference, ...] = ()


class StreamFigures(msgspec.Struct, frozen=True):
    """What became of the answers in one stream. `compared` = `equal` + `differing`."""

    stream: str
    role: str
    compared: int
    equal: int
    differing: int
    missing: int
    extra: int
    repeated: int
    pending: int


class Verdict(msgspec.Struct, frozen=True):
    """Whether what was published is what the recorded input makes of it.

    `differences` are the first DIFFERENCES_TOLD_MAX in the order of INPUT, `first` their first.
    """

    equal: bool
    first: Difference | None
    differences: tuple[Difference, ...]
    streams: tuple[StreamFigures, ...]
