"""The account of a model in lines, for people."""

from collections.abc import Iterator
from datetime import UTC, datetime

from deploy.operations.lineage import Data, Lineage, Verdict
from deploy.operations.model_words import model_name
from streams.events import Drift, Retrain

S_TO_NS = 1_000_000_000
FIGURES_TOLD_MAX = 12


def lineage_lines(found: Lineage) -> Iterator[str]:
    """Yield the account, from data to successor; values of others are not made plain yet."""
    scope = found.strategy if found.symbol is None else f"{found.strategy} {found.symbol}"
    yield f"{found.version} ({found.digest[:12]}) of {scope}: {', '.join(found.standing)}"
    if found.parent:
        yield f"parent: {found.parent}, of which it is a recalibration"
    yield _data(found.data) if found.data is not None else "data: the object store has lost it"
    yield _request(found.request) if found.request is not None else "request: none recorded"
    if found.drift is not None:
        yield _drift(found.drift)
    for one in found.verdicts:
        yield _verdict(one)
    yield f"after it: {model_name(found.successor) if found.successor else 'none'}"


def _data(data: Data) -> str:
    return (
        f"data: {data.samples:,} samples of {_day(data.training_from_ts)} to "
        f"{_day(data.training_to_ts)}, digest {data.data_digest[:12]}, code {data.code_version}, "
        f"{data.learner} on {data.features} features, seed {data.seed}"
    )


def _request(request: Retrain) -> str:
    since = f", on data since {_day(request.since_ts)}" if request.since_ts else ""
    return (
        f"request: {request.request_id} ({request.action}, {request.reason}) by "
        f"{request.requested_by} at {_day(request.ts)}{since}"
    )


def _drift(drift: Drift) -> str:
    return (
        f"drift: {drift.detector} ({drift.channel}) {drift.statistic:.4g} of "
        f"{drift.threshold:.4g} after {drift.outcomes_seen} outcomes, changepoint "
        f"{_day(drift.changepoint_ts)}, budget {drift.false_alarm_budget:.4g}"
    )


def _verdict(one: Verdict) -> str:
    figures = ", ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in list(one.figures.items())[:FIGURES_TOLD_MAX]
    )
    person = f" by {one.by}: {one.why}" if one.by else ""
    before = f", before: {model_name(one.previous)}" if one.previous else ""
    scope = f" for {one.symbol}" if one.symbol is not None else ""
    return f"verdict: {one.did}{scope} from {_day(one.effective_ts)}{person}{before} ({figures})"


def _day(ts: int) -> str:
    return datetime.fromtimestamp(ts / S_TO_NS, UTC).date().isoformat() if ts else "the beginning"
