"""The options of commands that search a model: how hard, and with which learners."""

from typing import Annotated, Any

import typer

TrialsOption = Annotated[
    int | None,
    typer.Option("--n-trials", min=1, help="Of the search of each learner.", metavar="N"),
]
EnsembleOption = Annotated[
    bool, typer.Option("--no-ensemble", help="One learner in place of several.")
]
LegacyOption = Annotated[
    bool, typer.Option("--use-legacy-rf", help="A random forest, searched under CPCV.")
]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=0, help="At once; 0: one per core.", metavar="N")
]


def search_changes(
    n_trials: int | None, no_ensemble: bool, use_legacy_rf: bool, workers: int | None = None
) -> dict[str, Any]:
    """Return the keys of PipelineSettings that the options change.

    >>> search_changes(5, True, False)
    {'trials': 5, 'ensemble': False}
    """
    changes: dict[str, Any] = {}
    if n_trials is not None:
        changes["trials"] = n_trials
    if no_ensemble:
        changes["ensemble"] = False
    if use_legacy_rf:
        changes["legacy_forest"] = True
    if workers is not None:
        changes["workers"] = workers
    return changes
