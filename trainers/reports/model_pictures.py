"""The pictures of a model: folds, paths, reliability, threshold, importance, equity."""

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from trainers.evaluation.cpcv_paths import PathDistribution
from trainers.evaluation.equity_paths import EquityPaths
from trainers.evaluation.evaluation import Evaluation
from trainers.evaluation.figure import Figure
from trainers.evaluation.importance import Importance
from trainers.evaluation.reliability import ReliabilityBin
from trainers.evaluation.threshold_curve import ThresholdCurve
from trainers.pipeline.model_report import Combinatorial, Threshold, WalkForwardReport
from trainers.reports.model_words import decimal
from trainers.reports.pictures import ACCENT, GAIN, GRID, INK, LOSS, MUTED, SHADE, figure

FEATURES_PICTURED_MAX = 15
NAME_SHOWN_MAX = 34
BIN_WIDTH_MIN = 0.004
"""Bins narrower than this would not be seen."""

WIDTH_MIN = 0.1
PATHS_WIDTH_MIN = 0.01
"""Axes of probabilities, and of paths, are at least so wide: less is not worth telling apart."""

MARGIN_SHARE = 0.03
NATS_IN_MILLI = 1000.0
POINT_95 = 1.96

OUT_OF_FOLD, HOLDOUT = "out of fold", "holdout"
COLOURS = {OUT_OF_FOLD: MUTED, HOLDOUT: ACCENT}

Evaluations = Sequence[tuple[str, Evaluation]]
"""By name: OUT_OF_FOLD, HOLDOUT."""


def walk_forward_picture(walk: WalkForwardReport, holdout: Evaluation | None) -> go.Figure:
    """AUC above, gain in log-loss below, fold by fold, and of the holdout at the end."""
    rows = [(one.tested.period, one.tested.auc, one.tested.log_loss_gain) for one in walk.folds]
    picture = _above_each_other(heights=(0.5, 0.5), height=380, spacing=0.1)
    parts = [(OUT_OF_FOLD, rows)]
    if holdout is not None:
        parts.append((HOLDOUT, [("holdout", holdout.auc, holdout.log_loss_gain)]))
    for name, told in parts:
        places = [_plain(period) for period, _, _ in told]
        style: dict[str, Any] = {"name": name, "mode": "lines+markers", "legendgroup": name}
        style |= {"marker": {"color": COLOURS[name], "size": 8}, "line": {"width": 0.8}}
        areas, gains = [area for _, area, _ in told], [gain for _, _, gain in told]
        picture.add_trace(go.Scatter(x=places, **_points(areas), **style), row=1, col=1)
        style["showlegend"] = False
        gained = _points(gains, NATS_IN_MILLI)
        picture.add_trace(go.Scatter(x=places, **gained, **style), row=2, col=1)
    picture.add_hline(y=0.5, line={"color": LOSS, "width": 1, "dash": "dot"}, row=1, col=1)
    picture.add_hline(y=0.0, line={"color": LOSS, "width": 1, "dash": "dot"}, row=2, col=1)
    picture.update_xaxes(type="category")
    picture.update_yaxes(title_text="AUC", row=1, col=1)
    picture.update_yaxes(title_text="gain, millinats", row=2, col=1)
    return picture


def paths_picture(found: Combinatorial) -> go.Figure:
    """Every path's AUC and gain in log-loss, with their quartiles."""
    picture = make_subplots(rows=1, cols=2, horizontal_spacing=0.08)
    _style(picture, height=220, hovermode="closest")
    parts = ((found.figures.auc, "AUC", 1.0), (found.figures.log_loss_gain, "gain", NATS_IN_MILLI))
    for column, (paths, name, scale) in enumerate(parts, start=1):
        _add_paths(picture, paths, name, scale, column)
    picture.update_xaxes(title_text="AUC", row=1, col=1)
    picture.update_xaxes(title_text="gain in log-loss, millinats", row=1, col=2)
    picture.update_yaxes(showticklabels=False)
    return picture


def reliability_picture(evaluations: Evaluations) -> go.Figure:
    """What came true of what was foretold, with intervals; below, how often it was foretold.

    One bin or more is needed.
    """
    picture = _above_each_other(heights=(0.74, 0.26), height=440, spacing=0.05)
    bins = [one for _, found in evaluations for one in found.reliability.bins]
    ends = _range([value for one in bins for value in (one.lowest, one.highest)], WIDTH_MIN)
    line = {"color": LOSS, "width": 1.0, "dash": "dot"}
    diagonal = go.Scatter(x=ends, y=ends, mode="lines", name="perfect", line=line, hoverinfo="skip")
    picture.add_trace(diagonal, row=1, col=1)
    for name, found in evaluations:
        own, colour = found.reliability.bins, COLOURS[name]
        picture.add_trace(
            go.Scatter(
                x=[one.foretold for one in own],
                **_points([one.came_true for one in own]),
                mode="lines+markers",
                name=name,
                marker={"color": colour, "size": 7},
                line={"color": colour, "width": 1.2},
                customdata=[one.samples for one in own],
                hovertemplate="foretold %{x:.3f}, came true %{y:.3f} of %{customdata}",
            ),
            row=1,
            col=1,
        )
        picture.add_trace(_density(own, name), row=2, col=1)
    picture.update_layout(barmode="overlay", hovermode="closest")
    picture.update_yaxes(title_text="share that came true", row=1, col=1)
    picture.update_yaxes(title_text="density", showticklabels=False, row=2, col=1)
    picture.update_xaxes(range=ends)
    picture.update_xaxes(title_text="probability foretold", row=2, col=1)
    return picture


def threshold_picture(evaluations: Evaluations, chosen: Threshold | None) -> go.Figure:
    """What each threshold earns against taking every signal; below, what share it accepts."""
    picture = _above_each_other(heights=(0.68, 0.32), height=440, spacing=0.06)
    lows, highs = [0.0], [0.0]
    for name, found in evaluations:
        curve, colour = found.curve, COLOURS[name]
        low, high = _band(curve)
        lows += low
        highs += high
        if name == evaluations[-1][0]:
            _add_band(picture, curve.threshold, low, high)
        line = {"color": colour, "width": 1.8}
        style: dict[str, Any] = {"mode": "lines", "line": line, "legendgroup": name}
        earned = go.Scatter(
            x=curve.threshold,
            y=curve.utility_gain_r,
            name=name,
            customdata=np.column_stack([curve.share, curve.mean_r]) if curve.threshold else None,
            hovertemplate="%{y:+.3f} R a signal, %{customdata[0]:.0%} at %{customdata[1]:+.2f} R",
            **style,
        )
        picture.add_trace(earned, row=1, col=1)
        shares = go.Scatter(x=curve.threshold, y=curve.share, name=name, showlegend=False, **style)
        picture.add_trace(shares, row=2, col=1)
    picture.add_hline(y=0.0, line={"color": GRID, "width": 1.5}, row=1, col=1)
    _add_marks(picture, chosen, (min(lows), max(highs)))
    picture.update_yaxes(title_text="R a signal over all", row=1, col=1)
    picture.update_yaxes(title_text="accepted", tickformat=".0%", row=2, col=1)
    places = [place for _, found in evaluations for place in found.curve.threshold]
    if chosen is not None:
        places += [chosen.value, chosen.value if chosen.break_even is None else chosen.break_even]
    picture.update_xaxes(range=_range(places, WIDTH_MIN))
    picture.update_xaxes(title_text="threshold", tickformat=".3~f", row=2, col=1)
    return picture


def permutation_picture(found: Importance) -> go.Figure:
    """What is lost, in millinats an outcome, where a feature's values are shuffled."""
    shown = found.permuted[:FEATURES_PICTURED_MAX]
    names = [_names(one.features) for one in shown]
    values = [one.lost * NATS_IN_MILLI for one in shown]
    reach = {
        "type": "data",
        "symmetric": False,
        "array": [(one.high - one.lost) * NATS_IN_MILLI for one in shown],
        "arrayminus": [(one.lost - one.low) * NATS_IN_MILLI for one in shown],
        "color": INK,
        "thickness": 1,
        "width": 2,
    }
    colours = [ACCENT if value > 0.0 else LOSS for value in values]
    picture = _bars(names, values, colours, "%{y}: %{x:.2f} millinats", reach)
    picture.update_xaxes(title_text="lost when shuffled, millinats")
    return picture


def contribution_picture(found: Importance) -> go.Figure:
    """How far each feature moves the log-odds; green raises them as it grows, red lowers them."""
    shown = found.contributions[:FEATURES_PICTURED_MAX]
    names = [_names((one.feature,)) for one in shown]
    values = [one.magnitude for one in shown]
    colours = [_direction_colour(one.direction) for one in shown]
    picture = _bars(names, values, colours, "%{y}: %{x:.3f} log-odds", None)
    picture.update_xaxes(title_text="mean |log-odds| moved (SHAP)")
    return picture


def equity_picture(paths: EquityPaths) -> go.Figure:
    """Cumulative R of all trades, of the accepted, and of as many drawn at random."""
    when = np.array(paths.exit_ts, dtype="int64").astype("datetime64[ns]")
    picture = figure(height=340)
    edge = {"width": 0.0}
    band = {"mode": "lines", "line": edge, "hoverinfo": "skip"}
    picture.add_trace(go.Scatter(x=when, y=paths.random_high, showlegend=False, **band))
    picture.add_trace(
        go.Scatter(
            x=when,
            y=paths.random_low,
            name="random, 5 to 95 %",
            fill="tonexty",
            fillcolor="rgba(123, 135, 148, 0.22)",
            **band,
        )
    )
    lines = (
        ("random, mean", paths.random_mean, {"color": MUTED, "width": 1.2, "dash": "dash"}),
        ("every signal", paths.everything, {"color": LOSS, "width": 1.5}),
        ("accepted", paths.accepted, {"color": ACCENT, "width": 2.0}),
    )
    for name, values, line in lines:
        picture.add_trace(go.Scatter(x=when, y=values, name=name, mode="lines", line=line))
    picture.update_layout(showlegend=True)
    picture.update_yaxes(title_text="cumulative R", hoverformat="+.1f")
    return picture


def _above_each_other(*, heights: tuple[float, float], height: int, spacing: float) -> go.Figure:
    picture = make_subplots(
        rows=2, cols=1, shared_xaxes=True, row_heights=list(heights), vertical_spacing=spacing
    )
    _style(picture, height=height, showlegend=True)
    return picture


def _style(picture: go.Figure, **layout: Any) -> None:
    """Give a picture of several parts the look of the house, and every part its axes."""
    look = figure(**layout).layout.to_plotly_json()
    # The pictures have it already, and it is long.
    look.pop("template", None)
    axes = {"xaxis": look.pop("xaxis"), "yaxis": look.pop("yaxis")}
    picture.update_layout(look)
    picture.update_xaxes(axes["xaxis"])
    picture.update_yaxes(axes["yaxis"])


def _points(figures: Sequence[Figure], scale: float = 1.0) -> dict[str, Any]:
    """The heights of figures, and their intervals as whiskers; none where one is not defined."""
    values = [None if one.value is None else one.value * scale for one in figures]
    up, down = [], []
    for one in figures:
        known = None not in (one.value, one.low, one.high)
        up.append((one.high - one.value) * scale if known else 0.0)  # type: ignore[operator]
        down.append((one.value - one.low) * scale if known else 0.0)  # type: ignore[operator]
    whiskers = {"type": "data", "symmetric": False, "array": up, "arrayminus": down}
    return {"y": values, "error_y": whiskers | {"thickness": 1.2, "width": 3}}


def _add_paths(
    picture: go.Figure, paths: PathDistribution, name: str, scale: float, column: int
) -> None:
    box = go.Box(
        x=[value * scale for value in paths.values],
        name=name,
        boxpoints="all",
        jitter=0.6,
        pointpos=0.0,
        line={"color": MUTED, "width": 1.2},
        fillcolor=SHADE,
        marker={"color": ACCENT, "size": 7, "opacity": 0.8},
    )
    picture.add_trace(box, row=1, col=column)
    line = {"color": LOSS, "width": 1.2, "dash": "dot"}
    picture.add_vline(x=paths.null * scale, line=line, row=1, col=column)
    shown = [value * scale for value in (*paths.values, paths.null)]
    picture.update_xaxes(range=_range(shown, PATHS_WIDTH_MIN * scale), row=1, col=column)


def _density(bins: Sequence[ReliabilityBin], name: str) -> go.Bar:
    """Bars as wide as their bins: each has the area of its share of the samples."""
    widths = [max(one.highest - one.lowest, BIN_WIDTH_MIN) for one in bins]
    total = sum(one.samples for one in bins) or 1
    return go.Bar(
        x=[(one.lowest + one.highest) / 2.0 for one in bins],
        y=[one.samples / total / width for one, width in zip(bins, widths, strict=True)],
        width=widths,
        name=name,
        showlegend=False,
        marker={"color": COLOURS[name], "opacity": 0.45, "line": {"width": 0}},
        customdata=[one.samples for one in bins],
        hovertemplate="%{customdata} signals about %{x:.3f}<extra></extra>",
    )


def _band(curve: ThresholdCurve) -> tuple[list[float], list[float]]:
    """The curve less and more 1.96 standard errors, the curve itself where there is none."""
    pairs = zip(curve.utility_gain_r, curve.utility_gain_error, strict=True)
    told = [(value, POINT_95 * (error or 0.0)) for value, error in pairs]
    return [value - reach for value, reach in told], [value + reach for value, reach in told]


def _add_band(
    picture: go.Figure, places: Sequence[float], low: list[float], high: list[float]
) -> None:
    plain: dict[str, Any] = {"mode": "lines", "line": {"width": 0.0}, "hoverinfo": "skip"}
    plain |= {"showlegend": False}
    picture.add_trace(go.Scatter(x=places, y=high, **plain), row=1, col=1)
    below = go.Scatter(x=places, y=low, fill="tonexty", fillcolor=SHADE, **plain)
    picture.add_trace(below, row=1, col=1)


def _add_marks(picture: go.Figure, chosen: Threshold | None, ends: tuple[float, float]) -> None:
    """Upright lines with their words in the legend, where they cannot lie on one another."""
    if chosen is None:
        return
    marks = [("chosen", chosen.value, GAIN, "solid")]
    if chosen.break_even is not None:
        marks.append(("break-even", chosen.break_even, LOSS, "dash"))
    for name, value, colour, dash in marks:
        line = {"color": colour, "width": 1.5, "dash": dash}
        told = f"{name} {decimal(value, 3)}"
        style: dict[str, Any] = {"mode": "lines", "line": line, "name": told, "hoverinfo": "name"}
        picture.add_trace(go.Scatter(x=[value, value], y=list(ends), **style), row=1, col=1)
        below = go.Scatter(x=[value, value], y=[0.0, 1.0], showlegend=False, **style)
        picture.add_trace(below, row=2, col=1)


def _bars(
    names: Sequence[str],
    values: Sequence[float],
    colours: Sequence[str],
    hover: str,
    reach: dict[str, Any] | None,
) -> go.Figure:
    """Lying bars, the first on top; places are numbered, for two names may be cut to one."""
    picture = figure(height=90 + 24 * max(len(names), 3), hovermode="closest")
    places = list(range(len(names)))
    bars = go.Bar(
        x=values,
        y=places,
        orientation="h",
        marker={"color": colours, "opacity": 0.85},
        error_x=reach,
        hovertext=names,
        hovertemplate=hover.replace("%{y}", "%{hovertext}") + "<extra></extra>",
    )
    picture.add_trace(bars)
    picture.update_yaxes(tickvals=places, ticktext=names, autorange="reversed", showgrid=False)
    return picture


def _direction_colour(direction: float | None) -> str:
    if direction is None or direction == 0.0:
        return MUTED
    return GAIN if direction > 0.0 else LOSS


def _names(features: Sequence[str]) -> str:
    """A feature's name, cut short, and how many more are meant with it."""
    first = features[0] if features else "?"
    cut = first if len(first) <= NAME_SHOWN_MAX else first[: NAME_SHOWN_MAX - 1] + "…"
    return _plain(cut if len(features) < 2 else f"{cut} +{len(features) - 1}")


def _plain(text: str) -> str:
    """Text that a picture shows as it stands: it would take tags for its own."""
    return html.escape(text, quote=False)


def _range(values: Sequence[float], width_min: float) -> list[float]:
    """The ends of an axis that shows all of `values`, none of them at its edge."""
    low, high = min(values), max(values)
    reach = max((high - low) * (0.5 + MARGIN_SHARE), width_min / 2.0)
    middle = (low + high) / 2.0
    return [middle - reach, middle + reach]
