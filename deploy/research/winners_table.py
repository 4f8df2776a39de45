"""Winners for people: a table, and one honest line on what the best is worth."""

from collections.abc import Sequence

import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

from deploy.tables import plain_table
from engine.strategy import load_strategy
from trainers.statistics.sharpe import CONFIDENCE
from trainers.sweeps.sweep_run import POOLED
from trainers.sweeps.winners import Winner

SIGNIFICANT, NO_SKILL = "significant", "no skill"


def winners_table(winners: Sequence[Winner], title: str) -> RenderableType:
    """Return what the winners made, whether that is more than luck, and their parameters."""
    table = plain_table(title)
    table.add_column("#", justify="right")
    table.add_column("strategy", overflow="fold")
    table.add_column("symbol", no_wrap=True)
    for heading in ("trades", "Sharpe", "mean R", "max DD", "DSR"):
        table.add_column(heading, justify="right")
    table.add_column("")
    lines = []
    for one in winners:
        metrics = one.metrics
        table.add_row(
            str(one.rank),
            one.strategy,
            one.symbol,
            f"{metrics['trades']:.0f}",
            *(_shown(metrics[name]) for name in ("sharpe_ratio", "expectancy_r")),
            _shown(metrics["max_drawdown"], ".1%"),
            _shown(one.deflated_sharpe),
            verdict_of(one),
        )
        lines.append(Text(f"{one.rank} {one.strategy} {one.symbol}: {_changed(one)}"))
    return Group(table, *lines, Text(""))


def verdict_of(winner: Winner) -> str:
    """Return whether luck explains a winner, in words."""
    deflated = winner.deflated_sharpe
    return SIGNIFICANT if deflated is not None and deflated >= CONFIDENCE else NO_SKILL


def honest_line(winners: Sequence[Winner], trials: int) -> str:
    """Return what the best of a search is worth, in one line."""
    known = [one for one in winners if one.deflated_sharpe is not None]
    if not known:
        return f"{_counted(trials)}, none of which has a Sharpe ratio to judge"
    best = max(known, key=lambda one: one.deflated_sharpe or 0.0)
    place = "all symbols together" if best.symbol == POOLED else best.symbol
    said = (
        "more than luck explains"
        if verdict_of(best) == SIGNIFICANT
        else "no skill: the best of so many worthless ones may well look like this"
        if trials > 1
        else "no skill: a worthless one may well look like this"
    )
    return (
        f"{_counted(trials)}: the best, {best.strategy} on {place}, has a deflated Sharpe ratio "
        f"(DSR) of {best.deflated_sharpe:.2f}, where {CONFIDENCE} is significant: {said}"
    )


def _counted(trials: int) -> str:
    return "1 trial" if trials == 1 else f"{trials:,} trials"


def _changed(winner: Winner) -> str:
    """The parameters that are not at their defaults."""
    defaults = msgspec.structs.asdict(load_strategy(winner.strategy).params_type())
    changed = {k: v for k, v in winner.params.items() if defaults.get(k) != v}
    return ", ".join(f"{name} {_plain(value)}" for name, value in changed.items()) or "defaults"


def _plain(value: object) -> str:
    """A drawn value has more digits than anybody reads; the file has them all."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _shown(value: float | None, form: str = ".2f") -> str:
    return "-" if value is None else format(value, form)
