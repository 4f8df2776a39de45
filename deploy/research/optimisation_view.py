"""What an optimisation found, for people, in 80 columns."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from deploy.tables import plain_table
from trainers.optimiser.optimiser_report import HoldoutFigures, OptimiserReport, SpanFigures
from trainers.reports.words import number, share
from trainers.statistics.performance import Performance

_BAR_WIDTH = 24


def optimisation_view(report: OptimiserReport) -> RenderableType:
    """Return the parameters, the figures of each span, and how far luck goes."""
    trials = report.trials
    head = (
        f"{report.strategy}, by {report.objective}: trial {report.trial} of {trials.complete}, "
        f"of which {trials.found} were there before\n"
        f"{trials.distinct} distinct, {trials.counting} with enough trades, {trials.refused} "
        f"refused by the strategy; study {report.study}"
    )
    parts: list[RenderableType] = [Text(head), _params(report), _spans(report), _luck(report)]
    return Group(*parts, Text(f"\n{report.sentence}"))


def _params(report: OptimiserReport) -> Table:
    table = _table("best parameters", "parameter", "value", "importance", "")
    table.columns[3].justify = "left"
    importance = report.importance or {}
    for name, value in {**report.params, **report.portfolio}.items():
        weight = importance.get(name)
        bar = "" if weight is None else "█" * round(weight * _BAR_WIDTH)
        table.add_row(name, f"{value:g}", share(weight) if weight is not None else "", bar)
    return table


def _spans(report: OptimiserReport) -> Table:
    spans: dict[str, SpanFigures | HoldoutFigures] = {
        "train": report.train,
        "validation": report.validation,
        "holdout": report.holdout,
    }
    table = _table("figures", "", *spans)
    table.add_row("first day", *(span.first for span in spans.values()))
    table.add_row("last day", *(span.last for span in spans.values()))
    rows: tuple[tuple[str, str], ...] = (
        ("Sharpe ratio", "sharpe_ratio"),
        ("Sortino ratio", "sortino_ratio"),
        ("Calmar ratio", "calmar_ratio"),
        ("CAGR", "cagr"),
        ("maximum drawdown", "max_drawdown"),
        ("profit factor", "profit_factor"),
        ("expectancy, R", "expectancy_r"),
        ("trades", "trades"),
    )
    for title, name in rows:
        table.add_row(title, *(_figure(span.performance, name) for span in spans.values()))
    return table


def _luck(report: OptimiserReport) -> Table:
    deflated, pbo, walk, holdout = (
        report.deflated,
        report.pbo,
        report.walk_forward,
        report.holdout,
    )
    table = _table("how far luck goes", "", "")
    table.columns[1].justify = "left"
    table.show_header = False
    table.add_row(
        "deflated Sharpe",
        f"{number(deflated.probability)} after {deflated.trials} trials in the ledger "
        f"(about {deflated.effective:.0f} independent); luck alone {number(deflated.benchmark)}",
    )
    if pbo is not None:
        table.add_row("PBO", f"{pbo.pbo:.2f} ± {pbo.error:.2f} ({pbo.low:.2f} to {pbo.high:.2f})")
    table.add_row(
        "walk-forward",
        f"efficiency {number(walk.efficiency)}, stitched t {number(walk.t_statistic)} "
        f"over {len(walk.folds)} folds",
    )
    word = "agrees" if holdout.agrees else "does not agree"
    opened = "opened for the first time"
    if holdout.opened_before:
        opened = (
            f"opened {holdout.opened_before} times before, {holdout.for_others} for other "
            "parameters"
        )
    table.add_row("holdout", f"{word}: {holdout.reason}; {opened}")
    if report.own_value is not None:
        table.add_row(
            "as in the run file",
            f"{number(report.own_value)} on train, {number(report.own_validation_value)} on "
            f"the folds; found {number(report.value)} and {number(report.validation_value)}",
        )
    return table


def _figure(performance: Performance | None, name: str) -> str:
    if performance is None:
        return "-"
    value = getattr(performance, name)
    if name == "trades":
        return f"{value:,}"
    return share(value) if name in ("cagr", "max_drawdown") else number(value)


def _table(title: str, *columns: str) -> Table:
    table = plain_table(f"\n{title}")
    for place, name in enumerate(columns):
        table.add_column(name, justify="right" if place else "left", overflow="fold")
    return table
