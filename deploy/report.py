"""The table at the end of a run."""

from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from deploy.figures import Area, Cohort, Decision, FlipFigures, RunFigures, StrategyFigures
from deploy.tables import plain_table

REASONS = {
    "better": "better than null and what was in force",
    "not_inferior_after_drift": "better than null, as good as a champion that drifted",
    "not_better_than_null": "not better than the null model",
    "not_better_than_champion": "not better than the champion",
    "too_few_outcomes": "too few outcomes to judge",
    "too_few_samples": "too few samples to train",
    "nothing_to_learn": "nothing to learn from",
    "nothing_in_shadow": "nothing was in the shadow to review",
    "in_shadow": "nothing in the shadow was better",
    "pinned": "the model in force is pinned",
    "overtaken": "another model came first",
    "too_few_samples_since_change": "too few samples since the change",
    "rolled_back": "the one before is better after all",
    "came_back": "its market is back",
    "skill_returned": "the one in force has skill again",
    "coalesced": "the same was asked for",
    "superseded": "about a model that is gone",
    "cooldown": "asked for too soon again",
    "ahead": "dated far ahead of all that is known",
}


def report_of(figures: RunFigures, title: str) -> RenderableType:
    """Return the report of a run, ready to print."""
    lines = [f"{strategy.strategy}: {strategy.conclusion}" for strategy in figures.strategies]
    if figures.flip is not None:
        lines += _flip(figures.flip)
    lines += _performance(figures)
    parts: list[RenderableType] = [_strategies(figures, title)]
    parts += [_models(strategy) for strategy in figures.strategies if strategy.models]
    lines += [
        f"{strategy.strategy}: {strategy.quiet_reviews} reviews of what is in the shadow changed "
        "nothing"
        for strategy in figures.strategies
        if strategy.quiet_reviews
    ]
    spaced = [part for table in parts for part in (table, Text(""))]
    return Group(*spaced, *map(Text, lines))


def _flip(flip: FlipFigures) -> list[str]:
    """Hold what was seen against the truth."""
    alarm = "no alarm was raised"
    if flip.alarm_ts is not None:
        day = _day(flip.alarm_ts)
        alarm = f"the alarm came {flip.alarm_delay_outcomes} outcomes later ({day})"
    return [
        *_truth(flip, alarm),
        *_swap(flip),
        f"AUC before {_area(flip.before)}, after {_area(flip.after)}, "
        f"recovered {_area(flip.recovered)}; the best that any model can reach is "
        f"{flip.bayes_auc:.2f}",
    ]


def _truth(flip: FlipFigures, alarm: str) -> list[str]:
    return [
        f"truth: {flip.kind} planted at signal {flip.at_signal} ({_day(flip.at_ts)}); {alarm}; "
        f"{flip.false_alarms} alarms before it",
    ]


def _swap(flip: FlipFigures) -> list[str]:
    """Say what was learned anew, by which figures of the gate, and when it came into force."""
    if flip.alarm_ts is None:
        return []
    tried = "1 request" if flip.attempts == 1 else f"{flip.attempts} requests"
    if flip.swap is None:
        return [f"{tried} for a new model came to nothing: the strategy ran in observe"]
    verdict = flip.swap.verdict
    return [
        f"{tried} came to nothing first; the model in force from {_day(flip.swap.effective_ts)}, "
        f"{flip.swap_delay_outcomes} outcomes after the reversal, knew "
        f"{_number(verdict.get('training_samples'), '.0f')} samples; the gate: AUC "
        f"{_number(verdict.get('gate_auc'), '.3f')} on "
        f"{_number(verdict.get('gate_outcomes'), '.0f')} outcomes, p "
        f"{_number(verdict.get('p_value_vs_null'), '.3f')} against the null model"
    ]


def _strategies(figures: RunFigures, title: str) -> Table:
    """Return a line for all signals of each strategy and, below it, one for the accepted."""
    table = plain_table(title)
    table.add_column("strategy", overflow="fold")
    table.add_column("")
    for name in ("signals", "hit\nrate", "mean R", "AUC ± SE\n(0.5: no skill)", "drift\nalarms"):
        table.add_column(name, justify="right")
    for strategy in figures.strategies:
        every, accepted = strategy.all, strategy.accepted_only
        table.add_row(
            strategy.strategy,
            "all",
            str(strategy.signals),
            _hit_rate(every),
            _mean_r(every),
            _area(strategy.area),
            str(strategy.drift_detected),
        )
        table.add_row(
            "", "accepted", str(strategy.accepted), _hit_rate(accepted), _mean_r(accepted)
        )
    return table


def _models(strategy: StrategyFigures) -> Table:
    table = plain_table(f"models of {strategy.strategy} (p: of being no better)")
    table.add_column("model")
    table.add_column("from")
    table.add_column("decision, and why", overflow="fold")
    for name in ("trained,\njudged on", "AUC\nthere", "p vs\nnull", "p vs\nchampion"):
        table.add_column(name, justify="right")
    for decision in strategy.models:
        table.add_row(*_model_row(strategy.strategy, decision))
    return table


def _model_row(strategy: str, decision: Decision) -> tuple[str, ...]:
    return (
        short_version(strategy, decision.version) or "none",
        _day(decision.effective_ts),
        f"{decision.decision}: {in_words(decision.why)}",
        ", ".join(
            _number(decision.verdict.get(key), ".0f")
            for key in ("training_samples", "gate_outcomes")
        ),
        *(
            _number(decision.verdict.get(key), ".3f")
            for key in ("gate_auc", "p_value_vs_null", "p_value_vs_champion")
        ),
    )


def short_version(strategy: str, version: str) -> str:
    """Return a model's version without its strategy's name: the start of its digest."""
    return version.removeprefix(f"{strategy}-")


def in_words(reason: str) -> str:
    """Return the gate's machine word as people say it."""
    return REASONS.get(reason, reason.replace("_", " "))


def _number(value: object, form: str) -> str:
    return format(value, form) if isinstance(value, int | float) else "-"


def _performance(figures: RunFigures) -> list[str]:
    text = f"{figures.bars:,} bars"
    if figures.bars_per_second:
        text += f" at {figures.bars_per_second:,.0f} bars/s, pauses left out"
    if figures.latency_us_p50 is None or figures.latency_us_p99 is None:
        return [text]
    return [
        text,
        f"raw signal to answer: p50 {figures.latency_us_p50 / 1000:.2f} ms, "
        f"p99 {figures.latency_us_p99 / 1000:.2f} ms over {figures.signals_timed:,} signals, "
        "by the broker's clock",
    ]


def _hit_rate(cohort: Cohort) -> str:
    return "-" if cohort.hit_rate is None else f"{cohort.hit_rate:.1%}"


def _mean_r(cohort: Cohort) -> str:
    return "-" if cohort.mean_r is None else f"{cohort.mean_r:+.3f}"


def _area(area: Area) -> str:
    if area.auc is None:
        return "-"
    error = "?" if area.standard_error is None else f"{area.standard_error:.3f}"
    return f"{area.auc:.3f} ± {error}"


def _day(ts: int) -> str:
    return f"{datetime.fromtimestamp(ts / 1e9, UTC):%Y-%m-%d}" if ts > 0 else ""
