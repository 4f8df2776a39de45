"""The portfolio's rules in plain Python, one object per position: what the kernel is held to."""

import math
from dataclasses import dataclass


@dataclass
class Ask:
    """A signal with its whole trade, in instants; `None` for what does not happen."""

    name: int
    symbol: int
    score: float
    accepted: bool
    side: int
    signal_at: int
    entry_at: int | None
    exit_at: int | None
    decided_at: int | None
    price: float
    stop: float
    entry: float
    exit: float
    cost: float


@dataclass
class Account:
    capital: float
    risk: float
    slots: int
    leverage: float
    one_per_symbol: bool


def run(asks: list[Ask], closes: list[dict[int, float]], account: Account):
    """Return equity by instant, and quantity and net profit by ask."""
    cash = account.capital
    held: list[tuple[Ask, float]] = []
    marks: dict[int, float] = {}
    equities: list[float] = []
    quantities = {ask.name: 0.0 for ask in asks}
    profits = {ask.name: 0.0 for ask in asks}
    for t, bars in enumerate(closes):
        marks |= bars
        for ask, quantity in held:
            if ask.entry_at == t:
                cash -= quantity * ask.cost
                profits[ask.name] -= quantity * ask.cost
            if ask.exit_at == t:
                made = quantity * (ask.side * (ask.exit - ask.entry) - ask.cost)
                cash += made
                profits[ask.name] += made
        held = [(ask, quantity) for ask, quantity in held if ask.exit_at != t]
        entered = [(a, q) for a, q in held if a.entry_at is not None and a.entry_at <= t]
        equity = cash + sum(q * a.side * (marks[a.symbol] - a.entry) for a, q in entered)
        equities.append(equity)
        staying = [(a, q) for a, q in held if a.decided_at is None or a.decided_at > t]
        now = [ask for ask in asks if ask.signal_at == t and ask.accepted]
        tied = sum(q * marks[a.symbol] for a, q in staying)
        for ask in sorted(now, key=lambda ask: (-ask.score, ask.symbol)):
            is_held = any(a.symbol == ask.symbol for a, _ in staying)
            if len(staying) >= account.slots or (is_held and account.one_per_symbol):
                continue
            wanted = equity * account.risk / abs(ask.price - ask.stop)
            room = (equity * account.leverage - tied) / ask.price
            quantity = math.floor(min(wanted, max(room, 0.0)) * (1 + 1e-12))
            if quantity > 0 and equity > 0:
                quantities[ask.name] = float(quantity)
                staying.append((ask, quantity))
                held.append((ask, quantity))
                tied += quantity * ask.price
    return equities, quantities, profits
