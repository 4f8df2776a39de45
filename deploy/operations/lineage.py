"""Where a model comes from and what became of it: its data, request, drift, verdict, successor."""

from typing import Any

import msgspec

from deploy.operations.known_models import find_model, known_models
from deploy.operations.model_words import share_of_signals
from deploy.operations.recorded import recorded
from models.card import ModelCard
from models.registry import Registry
from streams import subjects, topology
from streams.bus import Bus
from streams.events import Deployment, Drift, Retrain
from trainers.retraining.ledger import Decision, Ledger
from trainers.retraining.request import REVIEW

DETECTED = "detected"
REFRESH = "refresh"


class Data(msgspec.Struct, frozen=True):
    """What a model was made from. Times are UTC nanoseconds of its samples' signals."""

    learner: str
    training_from_ts: int
    training_to_ts: int
    labels_to_ts: int
    samples: int
    features: int
    data_digest: str
    code_version: str
    seed: int


class Verdict(msgspec.Struct, frozen=True):
    """One decision on a model: what was found, by whom, and what stood before it.

    `symbol` None: for the whole strategy.
    """

    did: str
    figures: dict[str, Any]
    effective_ts: int
    previous: str
    by: str
    why: str
    request_id: str
    symbol: str | None = None


class Lineage(msgspec.Struct, frozen=True):
    """The account of one model; None where nothing is recorded.

    `parent`: the model that it is a recalibration of, by version, or digest where that is not
    known any more; "" for none. `successor`: the version that came into force for its scope after
    it, "" while it speaks or if it never did.
    """

    version: str
    digest: str
    strategy: str
    symbol: str | None
    standing: tuple[str, ...]
    parent: str
    data: Data | None
    request: Retrain | None
    drift: Drift | None
    verdicts: tuple[Verdict, ...]
    successor: str


async def lineage_of(bus: Bus, name: str) -> Lineage:
    """Return the account of the model called `name`; raises ConfigError for none or several."""
    known = await known_models(bus)
    found = find_model(known, name)
    model = found[0]
    artifact = await Registry(bus).get(model.digest)
    card = artifact.card if artifact is not None else None
    decisions = [
        one for one in await Ledger(bus).decisions() if one.deployment.digest == model.digest
    ]
    request = _made_for(decisions)
    parent = card.parent if card is not None else ""
    versions = {one.digest: one.version for one in known}
    deployed = [
        one.event
        for one in await recorded(bus, topology.INPUT, (subjects.deployed(model.strategy),))
        if isinstance(one.event, Deployment)
    ]
    return Lineage(
        version=model.version,
        digest=model.digest,
        strategy=model.strategy,
        symbol=model.symbol,
        standing=tuple(dict.fromkeys(word for one in found for word in one.standing)),
        parent=versions.get(parent, parent),
        data=_data(card) if card is not None else None,
        request=request,
        drift=await _drift_behind(bus, request),
        verdicts=_verdicts(decisions, deployed, model.digest),
        successor=_successor(deployed, model.digest),
    )


def _made_for(decisions: list[Decision]) -> Retrain | None:
    """The request that a model was made for: the first that was answered with it, no review."""
    requests = [one.request for one in decisions if one.request is not None]
    return min(requests, key=lambda asked: (asked.action == REVIEW, asked.ts), default=None)


async def _drift_behind(bus: Bus, request: Retrain | None) -> Drift | None:
    """Return the alarm that made the monitor ask, or None where nobody alarmed."""
    if request is None or ":" not in request.reason:
        return None
    kind, _, detector = request.reason.partition(":")
    told = await recorded(bus, topology.DRIFT, (subjects.drift(request.strategy),))
    alarms = [
        one.event
        for one in told
        if isinstance(one.event, Drift)
        and one.event.level == DETECTED
        and one.event.detector == detector
        and one.event.ts <= request.ts
    ]
    if kind == REFRESH:
        # It is asked for again as outcomes since one changepoint grow.
        alarms = [one for one in alarms if one.changepoint_ts == request.since_ts] or alarms
    elif request.model:
        alarms = [one for one in alarms if one.model in (None, request.model)]
    return max(alarms, key=lambda one: one.ts, default=None)


def _verdicts(
    decisions: list[Decision], deployed: list[Deployment], digest: str
) -> tuple[Verdict, ...]:
    known = {one.request_id for one in decisions}
    told = [_verdict(one.deployment, is_deployed=one.is_promoted) for one in decisions]
    # What was deployed by hand, without a ledger.
    told += [
        _verdict(one, is_deployed=True)
        for one in deployed
        if one.digest == digest and one.request_id not in known
    ]
    # Of what counts from one instant on, in the order of INPUT: what was kept is not in it.
    places = {one.request_id or "": at for at, one in enumerate(deployed)}
    return tuple(sorted(told, key=lambda one: (one.effective_ts, places.get(one.request_id, -1))))


def _verdict(made: Deployment, *, is_deployed: bool) -> Verdict:
    did = "promoted" if is_deployed else "kept"
    if is_deployed and made.share < 1.0:
        did = f"canary of {share_of_signals(made.share)}" if made.share > 0.0 else "canary ended"
    return Verdict(
        did,
        made.verdict,
        made.effective_ts,
        made.previous or "",
        made.by,
        made.why,
        made.request_id or "",
        made.symbol,
    )


def _successor(deployed: list[Deployment], digest: str) -> str:
    """Return the version that was put in force, for its scope, behind a model's last time there."""
    successor: dict[str | None, str] = {}
    for one in deployed:
        if one.share < 1.0:
            continue
        if one.digest == digest:
            successor[one.symbol] = ""
        elif successor.get(one.symbol) == "":
            successor[one.symbol] = one.version
    return next(iter(successor.values()), "")


def _data(card: ModelCard) -> Data:
    return Data(
        learner=card.learner,
        training_from_ts=card.training_from_ts,
        training_to_ts=card.training_to_ts,
        labels_to_ts=card.labels_to_ts,
        samples=card.samples,
        features=len(card.features),
        data_digest=card.data_digest,
        code_version=card.code_version,
        seed=card.seed,
    )
