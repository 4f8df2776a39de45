"""Marks: how far an engine has come with the answers of each strategy and symbol.

An answer's id is `<incarnation of INPUT>:<sequence>:<index>` of the message it answers. Per
(strategy, symbol) ids only grow, so one id, the mark, says which answers have had their effect:
every answer at or below it. Incarnations are instants: a newer one begins the count anew.

>>> AnswerId.parse("65f:12:0").order("65f") < AnswerId.parse("65f:9000000:2").order("65f")
True
>>> AnswerId.parse("65f:12:0").order("660") < AnswerId.parse("660:1:0").order("660")
True
"""

from typing import Any, Protocol

import msgspec

from streams.errors import WireError

NUMBER_CHARS_MAX = 20


class AnswerId(msgspec.Struct, frozen=True):
    """The id of an answer, taken apart."""

    incarnation: str
    sequence: int
    index: int

    def __str__(self) -> str:
        return f"{self.incarnation}:{self.sequence}:{self.index}"

    @classmethod
    def parse(cls, text: str) -> "AnswerId":
        """Return the parts of an id; raises WireError `answer_id` for what is none."""
        parts = text.rsplit(":", 2)
        if len(parts) != 3 or not parts[0] or not all(map(_is_number, parts[1:])):
            raise WireError(
                "answer_id", f"an answer's id is incarnation:sequence:index, was {text[:64]!r}"
            )
        return cls(parts[0], int(parts[1]), int(parts[2]))

    def order(self, current: str) -> tuple[Any, ...]:
        """Return what ids are compared by; the incarnation `current` of INPUT is the newest."""
        try:
            made = int(self.incarnation, 16)
        except ValueError:
            made = -1
        return (self.incarnation == current, made, self.incarnation, self.sequence, self.index)


class Mark(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which answers to one (strategy, symbol) have had their effect.

    `answer_id`: it and every earlier one. `ahead`: later ones that are done while an earlier is
    not. `decided`: signals that the engine decided by its own fallback, whose late answers are
    still to come. `position` is the sequence of SCORED (of the incarnation `stream`, read by
    the selection `scope`) up to which everything is done, whatever its strategy and symbol; a
    mark without strategy holds a position alone.
    """

    strategy: str = ""
    symbol: str = ""
    answer_id: str = ""
    ahead: tuple[str, ...] = ()
    decided: tuple[str, ...] = ()
    position: int = 0
    stream: str = ""
    scope: str = ""


class MarkStore(Protocol):
    """Where an engine keeps its marks, one per (strategy, symbol); for one client at a time.

    Whatever a method raises reaches the engine through the call that needed it.
    """

    async def load(self) -> list[Mark]:
        """Return the marks that are kept, in any order."""
        ...

    async def save(self, mark: Mark) -> None:
        """Keep `mark` in place of the one of its strategy and symbol, all of it or nothing."""
        ...

    async def close(self) -> None:
        """Give back what `load` took."""
        ...


class MemoryMarks:
    """Marks for as long as this object lives: a client that is opened anew on it goes on."""

    def __init__(self) -> None:
        self.marks: dict[tuple[str, str], Mark] = {}

    async def load(self) -> list[Mark]:
        """Return the marks that are kept."""
        return list(self.marks.values())

    async def save(self, mark: Mark) -> None:
        """Keep `mark`."""
        self.marks[mark.strategy, mark.symbol] = mark

    async def close(self) -> None:
        """Nothing was taken."""


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= NUMBER_CHARS_MAX
