"""The context as its definition says: plain Python over lists of bars, nothing shared with ours."""

from collections import defaultdict
from typing import NamedTuple

import numpy as np

from models.context import CONTEXT_FIELDS

STALE_NS = 14 * 86_400_000_000_000
ENOUGH = 10
INSTANTS_BACK = 5


class Close(NamedTuple):
    ts: int
    close: float


def ratio(now: float, before: float) -> float:
    return now / before - 1


class ContextOracle:
    """Takes (symbol, ts, close) in the order of INPUT; `told` says what is known before a bar."""

    def __init__(self, market: str | None, sectors: dict[str, str], *, breadth: bool) -> None:
        self.market, self.sectors, self.breadth = market, sectors, breadth
        self.bars: dict[str, list[Close]] = defaultdict(list)
        # The references' closes as of a symbol's own bars, noted when its next bar comes.
        self.noted: dict[tuple[str, str, str], list[float]] = defaultdict(list)
        self.instants: dict[int, list[tuple[bool | None, bool | None]]] = defaultdict(list)
        self.counted: dict[str, int] = defaultdict(int)

    def take(self, symbol: str, ts: int, close: float) -> dict[str, float]:
        told = dict.fromkeys(CONTEXT_FIELDS[1:], np.nan)
        for role, reference in (("market", self.market), ("sector", self.sectors.get(symbol))):
            if reference is not None:
                told |= self.of_reference(role, reference, ts)
                told |= self.beside(role, reference, symbol)
        told = {name: value for name, value in told.items() if name in CONTEXT_FIELDS}
        if self.breadth:
            told |= self.shares(ts)
        self.bars[symbol].append(Close(ts, close))
        if self.breadth and ts > self.counted[symbol]:
            self.counted[symbol] = ts
            closes = [bar.close for bar in self.bars[symbol]]
            above = closes[-1] > np.mean(closes[-50:]) if len(closes) >= 50 else None
            rises = closes[-1] > closes[-2] if len(closes) >= 2 else None
            self.instants[ts].append((above, rises))
        return told

    def reset(self, symbol: str) -> None:
        del self.bars[symbol]
        for key, noted in list(self.noted.items()):
            other, _, reference = key
            if reference == symbol:
                self.noted[key] = [np.nan] * len(noted)
            if other == symbol:
                del self.noted[key]

    def before(self, symbol: str, ts: int) -> list[float]:
        known = [bar for bar in self.bars[symbol] if bar.ts < ts]
        if not known or ts - known[-1].ts > STALE_NS:
            return []
        return [bar.close for bar in known]

    def of_reference(self, role: str, reference: str, ts: int) -> dict[str, float]:
        closes = self.before(reference, ts)
        found = {
            f"{role}_return_{n}": ratio(closes[-1], closes[-1 - n])
            for n in (1, 5, 20)
            if len(closes) > n
        }
        if len(closes) > 20:
            found[f"{role}_volatility_20"] = np.diff(np.log(closes[-21:])).std(ddof=1)
        if len(closes) >= 200:
            found[f"{role}_sma_distance_200"] = ratio(closes[-1], np.mean(closes[-200:]))
        return found

    def beside(self, role: str, reference: str, symbol: str) -> dict[str, float]:
        own = self.bars[symbol]
        noted = self.noted[symbol, role, reference]
        if own:
            closes = self.before(reference, own[-1].ts + 1)
            noted.append(closes[-1] if closes else np.nan)
        found = {}
        if len(noted) > 20:
            found[f"{role}_own_return_20"] = ratio(noted[-1], noted[-21])
        if len(noted) > 1:
            found[f"{role}_own_log_return"] = np.log(noted[-1] / noted[-2])
        return found

    def shares(self, ts: int) -> dict[str, float]:
        found = {}
        before = sorted(each for each in self.instants if each < ts)[-INSTANTS_BACK:]
        for column, name in enumerate(("breadth_above_sma_50", "breadth_advancing")):
            for instant in reversed(before):
                known = [each[column] for each in self.instants[instant]]
                flags = [flag for flag in known if flag is not None]
                if ts - instant > STALE_NS:
                    break
                if len(flags) >= ENOUGH:
                    found[name] = float(np.mean(flags))
                    break
        return found
