"""Which models in force the scorers refused: their dead letters say why, and who speaks instead.

A pointer tells what was decided. A scorer that cannot verify the model keeps the one before, and
sends the deployment to the dead letters with its reason.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from deploy.operations.recorded import recorded
from engine.answer import HEADER_ROLE
from models.registry import Placing, Pointer
from streams import codec, subjects, topology
from streams.bus import HEADER_ANSWER_ID, HEADER_ERROR, HEADER_ORIGIN_SEQ, Bus, Message
from streams.errors import WireError
from streams.events import Deployment, Scored
from streams.standing import standing

LETTERS = subjects.dead_letter(subjects.DEPLOYED.removesuffix(".>"))
SCORER = "scorer"
ANSWERS_READ_MAX = 5_000
PREFIX = "model_refused: "

Key = tuple[str, str | None, str, str | None]


class Refusal(NamedTuple):
    """Why a deployment was refused, and its sequence in INPUT."""

    why: str
    input_seq: int


class Refusals:
    """The models of pointers that the scorers refused."""

    def __init__(self, whys: Mapping[Key, str]) -> None:
        self._whys = whys

    def why(self, pointer: Pointer, placing: Placing | None) -> str:
        """Return why a placing of a pointer was refused, "" where it was not, or is none."""
        return self._whys.get(_key(pointer, placing), "") if placing is not None else ""

    def speaking(self, pointer: Pointer) -> Placing | None:
        """Return what the scorers go by in a pointer's scope: the newest that they took."""
        line = (pointer.current, *pointer.history)
        return next((one for one in line if not self.why(pointer, one)), None)


async def refusals_of(bus: Bus, pointers: Iterable[Pointer]) -> Refusals:
    """Return which of the models that `pointers` name do not speak, since scorers refused them.

    One that has spoken since, as where its signer is trusted by now, is none of them.
    """
    letters = await _letters(bus)
    whys: dict[Key, str] = {}
    for pointer in pointers if letters else ():
        spoken: dict[str, int] | None = None
        for line in ((pointer.canary,), (pointer.current, *pointer.history)):
            for placing in line:
                refusal = letters.get(_key(pointer, placing)) if placing is not None else None
                if placing is None or refusal is None:
                    break
                if spoken is None:
                    spoken = await _spoken(bus, pointer)
                if spoken.get(placing.version, 0) > refusal.input_seq:
                    break
                whys[_key(pointer, placing)] = refusal.why
    return Refusals(whys)


def _key(pointer: Pointer, placing: Placing) -> Key:
    return pointer.strategy, pointer.symbol, placing.digest, placing.request_id


async def _letters(bus: Bus) -> dict[Key, Refusal]:
    found: dict[Key, Refusal] = {}
    async for batch in standing(bus, topology.DLQ, (f"{LETTERS}.>",)):
        for message in batch:
            event = _deployment(message)
            if event is not None:
                why = message.headers.get(HEADER_ERROR, "").removeprefix(PREFIX)
                seq = _number(message.headers.get(HEADER_ORIGIN_SEQ, ""))
                key = (event.strategy, event.symbol, event.digest, event.request_id)
                found[key] = Refusal(why or "it does not say why", seq)
    return found


def _deployment(letter: Message) -> Deployment | None:
    if letter.headers.get(HEADER_ROLE) != SCORER:
        return None
    try:
        event = codec.decode(letter.payload)
    except WireError:
        return None
    return event if isinstance(event, Deployment) else None


async def _spoken(bus: Bus, pointer: Pointer) -> dict[str, int]:
    """Return, by version, the newest signal in INPUT that a model of a scope has answered."""
    start = await bus.last_seq(topology.SCORED) - ANSWERS_READ_MAX + 1
    symbol = "*" if pointer.symbol is None else subjects.token(pointer.symbol)
    strategy = subjects.token(pointer.strategy)
    wanted = tuple([f"signals.{word}.{strategy}.{symbol}" for word in ("scored", "rejected")])
    found: dict[str, int] = {}
    for message, event in await recorded(bus, topology.SCORED, wanted, start_seq=max(1, start)):
        if isinstance(event, Scored) and event.model:
            _, _, place = message.headers.get(HEADER_ANSWER_ID, "").partition(":")
            found[event.model] = max(found.get(event.model, 0), _number(place.partition(":")[0]))
    return found


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
