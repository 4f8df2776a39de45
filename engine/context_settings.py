"""The `context:` block of a run: what features may know of other symbols."""

from typing import Annotated

import msgspec

Name = Annotated[str, msgspec.Meta(min_length=1)]


class ContextSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What features may know of other symbols' bars; nothing unless it is asked for.

    `market` is the symbol that every other is held against, `sectors` names a reference for each
    symbol that has one (any symbol may be given), `breadth` counts over all symbols of an interval.

    Market-wide values are the same for every signal of a day: a model takes them for a label of
    that day, learns the days by heart, and is wrong with confidence on the next. So they are not
    served by default; give them where there are many days for each signal, and let the gate judge.
    """

    market: Name | None = None
    sectors: dict[Name, Name] = {}
    breadth: bool = False

    @property
    def references(self) -> tuple[str, ...]:
        """Every symbol that others are held against, each once, ascending."""
        market = () if self.market is None else (self.market,)
        return tuple(sorted({*market, *self.sectors.values()}))

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be known of other symbols."""
        return not self.references and not self.breadth


NO_CONTEXT = ContextSettings()
