"""The parts of a model's page: what each shows, and a line for a reader who did not build it."""

from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from trainers.evaluation.evaluation import Evaluation
from trainers.pipeline.model_report import ModelReport
from trainers.reports import model_pictures, model_tables
from trainers.reports.model_figures import told
from trainers.reports.model_pictures import HOLDOUT, OUT_OF_FOLD
from trainers.reports.model_tables import Table
from trainers.reports.model_words import counted, decimal
from trainers.reports.pictures import division

NOT_TOLD = "the report does not say why"
WHY_MISSING = {
    "out_of_fold": "nothing was evaluated",
    "served_difference": "the vectors of the stream were not compared",
    "threshold": "every signal is accepted",
}
"""Said of a part of which the report says nothing."""


class Picture(NamedTuple):
    """A picture as HTML, and what is above it."""

    title: str
    html: str


class Section(NamedTuple):
    """A part of the page; `missing` says why there is nothing in it."""

    title: str
    note: str
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
    missing: str = ""
    text: str = ""


def sections(report: ModelReport) -> list[Section]:
    """Return the parts of the page below its key figures, in their order."""
    return [
        _walk_forward(report),
        _combinatorial(report),
        *_of_evaluations(report),
        _importance(report),
        _candidates(report),
        _features(report),
        _overfitting(report),
        _periods(report),
        _served(report),
        _provenance(report),
    ]


def evaluations(report: ModelReport) -> tuple[tuple[str, Evaluation], ...]:
    """Return what was evaluated, by name."""
    found = [] if report.out_of_fold is None else [(OUT_OF_FOLD, report.out_of_fold)]
    if report.holdout is not None:
        found.append((HOLDOUT, report.holdout.evaluation))
    return tuple(found)


def _walk_forward(report: ModelReport) -> Section:
    title = "Walk-forward"
    note = (
        "Each fold is tested on days after those it was trained on. Hyperparameters, calibration "
        "and threshold are the model's own, chosen on all folds together: only the sealed days "
        "are free of that choice. Dots are estimates, whiskers their 95 % intervals; the dotted "
        "line is what knowing nothing shows."
    )
    walk = report.walk_forward
    if walk is None or not walk.folds:
        return Section(title, note, missing=_why(report, "walk_forward"))
    sealed = report.holdout.evaluation if report.holdout else None
    picture = model_pictures.walk_forward_picture(walk, sealed)
    tables = [model_tables.walk_forward_table(walk)]
    if walk.summary is not None:
        tables.append(model_tables.walk_forward_summary(walk))
    return Section(title, note, (_picture(picture, "walk-forward"),), tuple(tables))


def _combinatorial(report: ModelReport) -> Section:
    title = "Combinatorial purged cross-validation"
    note = (
        "The same history in many orders: every path is a backtest of its own. Their spread is "
        "that of the training, not a standard error."
    )
    found = report.combinatorial
    if found is None:
        return Section(title, note, missing=_why(report, "combinatorial"))
    paths = found.figures
    if not paths.auc.values and not paths.log_loss_gain.values:
        return Section(title, note, missing=paths.auc.reason or _why(report, "combinatorial"))
    told = (
        f"{counted(paths.paths, 'path')} of {found.groups} groups, {found.test_groups} tested at "
        f"a time: median AUC {decimal(paths.auc.median, 3)} (quartiles "
        f"{decimal(paths.auc.lower_quartile, 3)} to {decimal(paths.auc.upper_quartile, 3)}), "
        f"median gain {decimal(paths.log_loss_gain.median, 4, signed=True)} nats."
    )
    picture = model_pictures.paths_picture(found)
    return Section(title, note, (_picture(picture, "paths"),), text=told)


def _of_evaluations(report: ModelReport) -> list[Section]:
    found = evaluations(report)
    return [_reliability(report, found), _threshold(report, found), _equity(report, found)]


def _reliability(report: ModelReport, found: Sequence[tuple[str, Evaluation]]) -> Section:
    title = "Do the probabilities mean what they say?"
    note = (
        "Of the signals told a probability of 60 %, 60 % should win: on the dotted line they do. "
        "Whiskers are 95 % intervals; below, how often each probability was told."
    )
    shown = [one for one in found if one[1].reliability.bins]
    if not shown:
        return Section(title, note, missing=_why(report, "out_of_fold"))
    chosen = report.calibration
    text = ""
    if chosen is not None:
        figures = ", ".join(f"{name} {value:.4g}" for name, value in chosen.figures.items())
        fitted = f"fitted to {counted(chosen.rows, 'margin')} out of fold"
        text = f"Calibrated by {chosen.method}, {fitted}{f': {figures}' if figures else ''}."
    picture = _picture(model_pictures.reliability_picture(shown), "reliability")
    return Section(title, note, (picture,), text=text)


def _threshold(report: ModelReport, found: Sequence[tuple[str, Evaluation]]) -> Section:
    title = "What a threshold earns"
    note = (
        "Net R per signal of taking only those at or above a threshold, over taking them all; the "
        "shade is 95 %. The best point of a curve is luck in part: a threshold read off it was "
        "fitted to it."
    )
    shown = [one for one in found if one[1].curve.threshold]
    if not shown:
        return Section(title, note, missing=_why(report, "threshold"))
    chosen = report.threshold
    text = f"No threshold was chosen: {_why(report, 'threshold')}."
    if chosen is not None:
        even = f"; break-even {decimal(chosen.break_even, 3)}" if chosen.break_even else ""
        text = f"Chosen: {decimal(chosen.value, 3)}, by the rule {chosen.rule}{even}."
    picture = _picture(model_pictures.threshold_picture(shown, chosen), "threshold")
    return Section(title, note, (picture,), text=text)


def _equity(report: ModelReport, found: Sequence[tuple[str, Evaluation]]) -> Section:
    title = "What would have been earned"
    note = (
        "Cumulative net R with one unit of risk per signal: of every signal, of the accepted, and "
        "of as many signals drawn at random. Above the band, choosing did what luck seldom does."
    )
    pictures = []
    for name, one in reversed(found):
        if one.equity is not None and one.equity.exit_ts:
            picture = model_pictures.equity_picture(one.equity)
            pictures.append(_picture(picture, f"equity-{name.replace(' ', '-')}", name))
    missing = "" if pictures else _why(report, "threshold")
    return Section(title, note, tuple(pictures), missing=missing)


def _importance(report: ModelReport) -> Section:
    title = "What the model lives by"
    note = (
        "Left: what is lost when a feature's values (with those alike) are shuffled, on signals "
        "the model never saw; red is no loss. Right: how far it moves the log-odds; green "
        "raises them as it grows, red lowers them."
    )
    found = report.importance
    pictures = []
    if found is not None and found.permuted:
        picture = model_pictures.permutation_picture(found)
        pictures.append(_picture(picture, "permutation", "permutation"))
    if found is not None and found.contributions:
        kind = f"SHAP, {found.method}" if found.method else "SHAP"
        picture = model_pictures.contribution_picture(found)
        pictures.append(_picture(picture, "contributions", kind))
    reason = found.reason if found is not None and found.reason else None
    if not pictures:
        return Section(title, note, missing=reason or _why(report, "importance"))
    return Section(title, note, tuple(pictures), text=reason or "")


def _candidates(report: ModelReport) -> Section:
    title = "What was tried"
    note = (
        "Every candidate by its out-of-fold gain in log-loss over the constant; they are compared "
        "before the holdout is opened."
    )
    if not report.candidates:
        return Section(title, note, missing=_why(report, "candidates"))
    tables = [model_tables.candidates_table(report.candidates)]
    if any(one.params for one in report.candidates):
        tables.append(model_tables.params_table(report.candidates))
    tuning = report.tuning
    text = f"No search: {_why(report, 'tuning')}."
    if tuning is not None:
        resumed = f" ({tuning.found:,} from an earlier run)" if tuning.found else ""
        text = (
            f"Searched by {tuning.sampler}: {counted(tuning.complete, 'trial')} complete{resumed}, "
            f"{tuning.pruned:,} pruned, {tuning.failed:,} failed; best log-loss "
            f"{decimal(tuning.best_log_loss, 4)}, the defaults' "
            f"{decimal(tuning.default_log_loss, 4)}."
        )
    return Section(title, note, (), tuple(tables), text=text)


def _features(report: ModelReport) -> Section:
    title = "What the model reads"
    note = (
        "Features that say the same are put into clusters, one of each is taken, in every fold "
        "anew. Stability is 1 where all folds choose alike, about 0 where they do by chance."
    )
    choice = report.feature_choice
    if choice is None:
        return Section(title, note, missing=_why(report, "feature_choice"))
    table = model_tables.features_table(choice, report.importance)
    offered = report.samples.features
    text = f"{len(choice.columns)} of {counted(offered, 'feature')}"
    if choice.clusters is not None:
        text += f", from {counted(choice.clusters, 'cluster')}"
    for name, figure in (("features", choice.stability), ("clusters", choice.cluster_stability)):
        if figure is not None:
            text += f"; stability of {name} {told(figure)}"
    return Section(title, note, (), (table,), text=f"{text}.")


def _overfitting(report: ModelReport) -> Section:
    title = "Could the search alone explain it?"
    note = "The best of many trials looks good by the choice alone; these figures allow for it."
    if report.overfitting is None:
        return Section(title, note, missing=_why(report, "overfitting"))
    return Section(title, note, (), (model_tables.overfitting_table(report.overfitting),))


def _periods(report: ModelReport) -> Section:
    title = "Period by period"
    note = "One good year carries many a bad one: brackets are 95 % intervals, clustered by day."
    told = [
        model_tables.periods_table(name, one.periods)
        for name, one in evaluations(report)
        if one.periods
    ]
    missing = "" if told else _why(report, "out_of_fold")
    return Section(title, note, (), tuple(told), missing=missing)


def _served(report: ModelReport) -> Section:
    title = "Served against recomputed"
    note = "Whether the stream saw, when it mattered, what history says it should have seen."
    found = report.served_difference
    if found is None:
        return Section(title, note, missing=_why(report, "served_difference"))
    text = (
        f"{counted(found.matched, 'signal')} compared, {found.equal:,} equal bit for bit, "
        f"{found.astray:,} differ beyond rounding; {found.only_served.signals:,} were only served, "
        f"{found.only_recomputed.signals:,} only recomputed. {found.verdict}"
    )
    tables = []
    if any(one.differ for one in found.features):
        tables.append(model_tables.served_table(found))
    if found.causes:
        tables.append(model_tables.causes_table(found))
    return Section(title, note, (), tuple(tables), text=text)


def _provenance(report: ModelReport) -> Section:
    tables = [model_tables.provenance_table(report)]
    if report.verdict.figures:
        tables.append(model_tables.gate_table(report.verdict.figures))
    if report.settings:
        tables.append(model_tables.settings_table(report.settings))
    note = "Whoever has the same data, code and seed makes the same model."
    return Section("Where it comes from", note, (), tuple(tables))


def _picture(picture: go.Figure, name: str, title: str = "") -> Picture:
    return Picture(title, division(picture, name))


def _why(report: ModelReport, part: str) -> str:
    return report.missing.get(part, WHY_MISSING.get(part, NOT_TOLD))
