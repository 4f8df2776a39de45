"""What was found in bars: faults, which make a bar unusable, and findings, which do not.

time         a stamp cannot be read             zero_volume  nothing was traded
symbol       no symbol is given                 stale        identical bars in a row
missing      a value is absent or no number     outlier      a return far beyond the others
price        a price is 0 or below              gap          sessions or bars are missing
volume       a volume is below 0                interval     bars stand at another distance
ohlc         open, close or low above high, or below low
order        before the bar above it
duplicate    the same bar again
conflict     the same instant again, with other values
"""

from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np

FAULTS = (
    "time", "symbol", "missing", "price", "volume", "ohlc", "order", "duplicate", "conflict",
)  # fmt: skip
FINDINGS = ("gap", "outlier", "stale", "zero_volume", "interval")
# Of each kind the first are kept as examples; all are counted.
EXAMPLES_PER_KIND_MAX = 100
EXAMPLES_TOLD_PER_KIND = 3


class BarExample(msgspec.Struct, frozen=True, kw_only=True):
    """One fault or finding, and the bar it was made on.

    `action` is what became of the bar: refused, dropped, repaired, or kept. `row` is the row or
    line of `file` from 1, `ts` the bar's close in UTC ns, None where it has none.
    """

    kind: str
    action: str
    file: str
    row: int
    symbol: str
    ts: int | None
    what: str

    def describe(self) -> str:
        """Return it as a line: `ES.csv row 7, ES 2020-01-02 21:00: high must be …`."""
        return f"{self.file} row {self.row}, {self.symbol or '?'} {moment(self.ts)}: {self.what}"


class SymbolCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The bars of one symbol: as read and as kept, first and last close (UTC ns), how many of
    each kind of fault and finding."""

    symbol: str
    bars_read: int
    bars: int
    first_ts: int | None
    last_ts: int | None
    faults: dict[str, int]
    findings: dict[str, int]


class ValidationReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a check of bars found, and what became of those that cannot be used.

    `validation` is strict, repair or drop. A bar has one fault, the first in the order of FAULTS,
    so that bars_read = bars + dropped and the faults sum to repaired + dropped. Under strict the
    dropped bars are those that would be refused. `notes` tell of whole files.
    """

    validation: str
    interval: str
    bars_read: int
    bars: int
    repaired: int
    dropped: int
    symbols: tuple[SymbolCheck, ...]
    examples: tuple[BarExample, ...]
    notes: tuple[str, ...]

    @property
    def faults(self) -> dict[str, int]:
        """How many bars have each kind of fault; kinds that do not occur are left out."""
        return _summed((check.faults for check in self.symbols), FAULTS)

    @property
    def findings(self) -> dict[str, int]:
        """How many findings of each kind there are; kinds that do not occur are left out."""
        return _summed((check.findings for check in self.symbols), FINDINGS)

    @property
    def is_clean(self) -> bool:
        """Whether every bar can be used as it stands: strict accepts them."""
        return not (self.repaired or self.dropped)

    def as_document(self) -> dict[str, Any]:
        """Return the report with its sums, ready for JSON."""
        sums = {"faults": self.faults, "findings": self.findings, "is_clean": self.is_clean}
        return msgspec.structs.asdict(self) | sums

    def summary(self) -> str:
        """Return one line: how many bars were kept, repaired and dropped, and why."""
        if self.is_clean:
            return f"every one of {self.bars:,} bars can be used"
        why = ", ".join(f"{kind} ×{count:,}" for kind, count in self.faults.items())
        if self.validation == "strict":
            return f"{self.dropped:,} of {self.bars_read:,} bars cannot be used ({why})"
        kept = f"{self.bars:,} of {self.bars_read:,} bars kept"
        repaired = f", {self.repaired:,} of them repaired" if self.repaired else ""
        return f"{kept}{repaired}, {self.dropped:,} dropped ({why})"

    def describe(self) -> str:
        """Return the report in lines: the summary, then counts and first examples by kind."""
        lines = [self.summary(), *self.notes]
        for kind, count in {**self.faults, **self.findings}.items():
            lines.append(f"{kind}: {count:,}")
            told = [example for example in self.examples if example.kind == kind]
            lines += [f"  {e.describe()} ({e.action})" for e in told[:EXAMPLES_TOLD_PER_KIND]]
        return "\n".join(lines)


def moment(ts: int | None) -> str:
    """Return UTC ns as `2020-01-02 21:00`, None as `no time`."""
    if ts is None:
        return "no time"
    return str(np.datetime64(ts, "ns").astype("datetime64[m]")).replace("T", " ")


def _summed(counts: Iterable[dict[str, int]], kinds: tuple[str, ...]) -> dict[str, int]:
    total = dict.fromkeys(kinds, 0)
    for count in counts:
        for kind, number in count.items():
            total[kind] += number
    return {kind: number for kind, number in total.items() if number}
