"""The models in force as a table."""

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from deploy.operations.model_shelf import ModelLine
from deploy.operations.model_words import share_of_signals
from deploy.tables import plain_table
from deploy.terminal_text import one_line
from deploy.utc_time import utc_time

TEXT_SHOWN = 80


def models_table(models: Iterable[ModelLine]) -> Table:
    """Return one row per scope: model, age and its limit in days of event time, and notes."""
    table = plain_table()
    table.add_column("scope", overflow="fold")
    table.add_column("model", overflow="fold")
    table.add_column("days old", justify="right")
    table.add_column("notes", overflow="fold")
    for model in models:
        cells = (model.scope, model.version, _age(model), _notes(model))
        table.add_row(*(Text(one_line(cell, TEXT_SHOWN * 3)) for cell in cells))
    return table


def refusal_words(model: ModelLine) -> str:
    """Say why a model that is in force by the registry does not speak, and who does instead."""
    instead = f"{model.speaking} speaks" if model.speaking else "no model of this scope speaks"
    return f"refused by the scorers, {instead}: {model.refused}"


def _age(model: ModelLine) -> str:
    if model.age_days is None:
        return "-"
    if model.age_days < 0.0:
        return "not yet"
    limit = "" if model.max_age_days is None else f" of {model.max_age_days:.4g}"
    return f"{model.age_days:.1f}{limit}"


def _notes(model: ModelLine) -> str:
    notes = []
    if model.age_days is not None and model.age_days < 0.0:
        notes.append(f"speaks from {utc_time(model.effective_ts)} on")
    if model.refused:
        notes.append(refusal_words(model))
    if model.canary_refused:
        notes.append(f"canary refused by the scorers: {model.canary_refused}")
    if model.is_expired:
        notes.append("expired")
    if model.pinned:
        notes.append("pinned")
    if model.canary:
        notes.append(f"canary {model.canary} of {share_of_signals(model.canary_share)}")
    if model.previous:
        notes.append(f"before: {model.previous}")
    return "; ".join(notes)
