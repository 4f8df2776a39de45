"""A reply: an answer as an engine gets it, with its id; or the engine's own where none came."""

from dataclasses import dataclass
from typing import Literal, get_args

import msgspec

from streams import codec, subjects
from streams.bus import HEADER_ANSWER_ID, HEADER_ID, Message
from streams.errors import WireError
from streams.events import Scored, Signal
from streams.marks import AnswerId

TIMEOUT = "timeout"
BEHIND = "behind"
CONFLICT = "signal_id_conflict"
_INVALID = "invalid:"

Fallback = Literal["pass_through", "block"]
FALLBACKS: tuple[str, ...] = get_args(Fallback)
Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a signal is worth.

    `answer_id` is None where the engine's own fallback stands in for the answer. `seq` is the
    sequence in SCORED. `late`: the engine has decided this signal by its fallback already.
    """

    scored: Scored
    answer_id: AnswerId | None = None
    seq: int = 0
    late: bool = False

    @property
    def is_fallback(self) -> bool:
        """Whether no scorer said this: the answer did not come in time."""
        return self.answer_id is None

    @property
    def key(self) -> Key:
        """Whose it is: strategy, symbol and signal id."""
        return (self.scored.strategy, self.scored.symbol, self.scored.signal_id)


def key_of(signal: Signal) -> Key:
    """Return strategy, symbol and id of a signal."""
    return (signal.strategy, signal.symbol, signal.signal_id)


def read_reply(message: Message) -> tuple[Reply, AnswerId]:
    """Return the reply that a message of SCORED carries, and its id.

    Raises WireError where it has no answer id, is no `scored` event, or says something else
    than its subject.
    """
    headers = message.headers
    answer_id = AnswerId.parse(headers.get(HEADER_ANSWER_ID) or headers.get(HEADER_ID, ""))
    scored = codec.decode(message.payload)
    if not isinstance(scored, Scored):
        raise WireError("type", f"{message.subject} does not carry {type(scored).__name__}")
    subject_of = subjects.scored if scored.accepted else subjects.rejected
    try:
        subject = subject_of(scored.strategy, scored.symbol)
    except ValueError as error:
        raise WireError("subject", str(error)) from None
    if subject != message.subject:
        raise WireError("subject", f"the payload belongs on {subject}, came on {message.subject}")
    return Reply(scored, answer_id, message.seq), answer_id


def fallback_reply(signal: Signal, mode: Fallback, reasons: tuple[str, ...]) -> Reply:
    """Return what the engine does by itself: the signal as it is, let through or blocked."""
    scored = Scored(
        **msgspec.structs.asdict(signal),
        probability=None,
        final_score=signal.score,
        accepted=mode == "pass_through",
        mode=mode,
        threshold=0.0,
        weight=0.0,
        model=None,
        reasons=reasons,
        inputs=b"",
        features_digest="",
    )
    return Reply(scored)


def is_answer_to(reply: Reply, signal: Signal) -> bool:
    """Return whether `reply` answers `signal`, and not another one under the same id.

    A signal that could not be honoured is answered without its content.
    """
    scored = reply.scored
    if any(reason.startswith(_INVALID) for reason in scored.reasons):
        return True
    return all(getattr(scored, name) == getattr(signal, name) for name in Signal.__struct_fields__)
