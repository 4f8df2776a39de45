"""What a person does to the models of a broker: one road with the trainer, and an audit behind it.

A decision stands in the ledger before it has any effect; a command that is killed behind that is
finished by the next one, or by the next trainer that starts.
"""

from uuid import uuid4

import msgspec
from msgspec.structs import replace

from deploy.operations.auditing import audit_id, record
from deploy.operations.known_models import KnownModel, find_model, known_models
from deploy.operations.known_strategies import check_heard_of
from deploy.operations.model_words import model_name, share_of_signals
from deploy.operations.operator import Operator
from deploy.operations.recorded import newest_event_ts, recorded
from deploy.operations.scorer_terms import ScorerTerms
from models.artifact import Artifact
from models.card import ModelCard
from models.registry import Pointer, Registry
from streams import subjects, topology
from streams.bus import HEADER_ID, Bus
from streams.clock import SystemClock
from streams.errors import ConfigError, ConflictError, ModelError, ModelRefused
from streams.events import Audit
from trainers.retraining.ledger import Decision, Ledger
from trainers.retraining.operations import Action, Operation, carry_out_operation
from trainers.retraining.publishing import Publishing

PIN, UNPIN = "pin", "unpin"
OVERTAKEN = "overtaken: nothing was done"


class Done(msgspec.Struct, frozen=True):
    """What a command did to a scope. `changed` False: it found that nothing was left to do.

    `version` is what is in force now, or the canary; `previous` what was, "" for nothing.
    `effective_ts` in UTC nanoseconds of event time.
    """

    action: str
    strategy: str
    symbol: str | None
    version: str
    digest: str
    previous: str
    share: float
    effective_ts: int
    by: str
    why: str
    changed: bool = True


async def promote(
    bus: Bus,
    name: str,
    operator: Operator,
    *,
    symbol: str | None = None,
    share: float = 1.0,
    terms: ScorerTerms | None = None,
) -> Done:
    """Bring the model called `name` into force for its scope, or for one symbol alone.

    `share` below 1 makes it a canary, 0 ends that. `terms` are the scorers', as far as they are
    known. Raises ConfigError where no model, or several, are called so, or it was made for another
    scope, ModelError where it cannot come into force, as one that the scorers would refuse.
    """
    await finish_left(bus)
    found = find_model(await known_models(bus), name)
    model = found[0]
    artifact = await _artifact(bus, model.digest, model.version)
    card = artifact.card
    scope = (model.strategy, symbol or card.symbol)
    if card.strategy != model.strategy or card.symbol not in (None, scope[1]):
        of = card.strategy if card.symbol is None else f"{card.strategy} on {card.symbol}"
        to = model.strategy if scope[1] is None else f"{model.strategy} on {scope[1]}"
        raise ConfigError(f"{model.version} is a model of {of}, it cannot speak for {to}")
    if share == 0.0:
        await _check_canary(bus, scope, model)
    else:
        _check_proof(artifact, scope, terms)
    return await _change(
        bus, "promote", scope, operator, card=card, digest=model.digest, share=share
    )


async def roll_back(
    bus: Bus,
    strategy: str,
    symbol: str | None,
    operator: Operator,
    terms: ScorerTerms | None = None,
) -> Done:
    """Bring the model before the one in force back.

    Raises ModelError where there is none, or by their `terms` the scorers would refuse it.
    """
    await finish_left(bus)
    await check_heard_of(bus, strategy)
    pointer = await Registry(bus).pointer(strategy, symbol)
    previous = pointer.previous if pointer is not None else None
    if previous is None:
        raise ModelError(f"nothing to roll back to: {_said(strategy, symbol)} had no other model")
    artifact = await _artifact(bus, previous.digest, previous.version)
    _check_proof(artifact, (strategy, symbol), terms)
    return await _change(bus, "rollback", (strategy, symbol), operator, card=artifact.card)


async def expire(bus: Bus, strategy: str, symbol: str | None, operator: Operator) -> Done:
    """Let nobody speak for a scope any more: the configured fallback answers."""
    await finish_left(bus)
    await check_heard_of(bus, strategy)
    pointer = await Registry(bus).pointer(strategy, symbol)
    if pointer is not None and not pointer.current.digest:
        raise ModelError(f"nobody speaks for {_said(strategy, symbol)} already")
    return await _change(bus, "expire", (strategy, symbol), operator)


async def hold(
    bus: Bus, strategy: str, symbol: str | None, operator: Operator, *, pinned: bool
) -> Done:
    """Pin what is in force for a scope, whatever a trainer finds, or let go of it.

    Raises ConfigError where nothing is in force, ModelError where somebody else changes it.
    """
    await finish_left(bus)
    pointer = await Registry(bus).pointer(strategy, symbol)
    if pointer is None:
        await check_heard_of(bus, strategy)
        raise ConfigError(
            f"no model was put in force for {_said(strategy, symbol)}: nothing to hold"
        )
    current = pointer.current
    done = Done(
        action=PIN if pinned else UNPIN,
        strategy=strategy,
        symbol=symbol,
        version=current.version,
        digest=current.digest,
        previous=current.version,
        share=1.0,
        effective_ts=current.effective_ts,
        by=operator.by,
        why=operator.why,
        changed=pointer.pinned != pinned,
    )
    if done.changed:
        await _point_again(bus, pointer, done, pinned=pinned)
    return done


async def finish_left(bus: Bus) -> int:
    """Finish what people, or a trainer, decided and did not live to carry out; return how many.

    What people did is in the audit then, too.
    """
    ledger = Ledger(bus)
    finished = await Publishing(bus, ledger).finish_open()
    written = await recorded(bus, topology.AUDIT, (subjects.AUDIT,))
    known = {one.message.headers.get(HEADER_ID, "") for one in written}
    for decision in await ledger.decisions():
        is_done = decision.is_promoted and decision.is_out and decision.deployment.by
        if is_done and audit_id(decision.request_id) not in known:
            await record(bus, _audit(_done(decision)), decision.request_id)
    return finished


async def _point_again(bus: Bus, pointer: Pointer, done: Done, *, pinned: bool) -> None:
    """Hold what a pointer names, or let go. The audit goes first: nothing else tells of it."""
    operation_id = f"op-{uuid4().hex}"
    audit = _audit(done)
    await record(bus, audit, operation_id)
    try:
        await Registry(bus).point(
            done.strategy,
            done.symbol,
            done.version,
            done.digest,
            effective_ts=done.effective_ts,
            expected=pointer.revision,
            request_id=pointer.current.request_id,
            pinned=pinned,
        )
    except ConflictError:
        await record(bus, replace(audit, detail=OVERTAKEN), f"{operation_id}:undone")
        raise ModelError(_overtaken(done.strategy, done.symbol)) from None


async def _change(
    bus: Bus,
    action: Action,
    scope: tuple[str, str | None],
    operator: Operator,
    *,
    card: ModelCard | None = None,
    digest: str = "",
    share: float = 1.0,
) -> Done:
    # Without any event the end of its samples is the newest time that is known of a model.
    trained_to = max(card.training_to_ts, card.labels_to_ts) if card is not None else 0
    operation = Operation(
        operation_id=f"op-{uuid4().hex}",
        action=action,
        strategy=scope[0],
        symbol=scope[1],
        by=operator.by,
        why=operator.why,
        effective_ts=await newest_event_ts(bus) or trained_to,
        version=digest,
        share=share,
    )
    decision = await carry_out_operation(bus, operation)
    if not decision.is_promoted:
        raise ModelError(_overtaken(*scope))
    done = _done(decision)
    await record(bus, _audit(done), decision.request_id)
    return done


def _done(decision: Decision) -> Done:
    made = decision.deployment
    return Done(
        action=decision.reason,
        strategy=made.strategy,
        symbol=made.symbol,
        version=made.version,
        digest=made.digest,
        previous=made.previous or "",
        share=made.share,
        effective_ts=made.effective_ts,
        by=made.by,
        why=made.why,
    )


def _audit(done: Done) -> Audit:
    detail = "" if done.action in (PIN, UNPIN) else f"before: {model_name(done.previous)}"
    if done.share < 1.0:
        detail = f"canary of {share_of_signals(done.share)}" if done.share > 0.0 else "canary ended"
    return Audit(
        strategy=done.strategy,
        symbol=done.symbol,
        action=done.action,
        version=done.version,
        by=done.by,
        why=done.why,
        ts=SystemClock().now_ns(),
        detail=detail,
    )


async def _check_canary(bus: Bus, scope: tuple[str, str | None], model: KnownModel) -> None:
    pointer = await Registry(bus).pointer(*scope)
    canary = pointer.canary if pointer is not None else None
    if canary is None or canary.digest != model.digest:
        said = "has none" if canary is None else f"has {canary.version}"
        raise ModelError(f"{model.version} is no canary that could end: {_said(*scope)} {said}")


def _check_proof(
    artifact: Artifact, scope: tuple[str, str | None], terms: ScorerTerms | None
) -> None:
    # Not where operations are only finished: it takes onnxruntime.
    from deploy.operations.model_proof import prove

    try:
        prove(artifact, *scope, terms)
    except ModelRefused as refused:
        raise ModelError(
            f"the scorers would refuse {artifact.version}, nothing was done: {refused}"
        ) from None


async def _artifact(bus: Bus, digest: str, version: str) -> Artifact:
    artifact = await Registry(bus).get(digest)
    if artifact is None:
        raise ModelError(
            f"{version} is known by name only: the object store has no model {digest[:12]}; it "
            "must be trained again"
        )
    return artifact


def _overtaken(strategy: str, symbol: str | None) -> str:
    return (
        f"somebody else changed the model of {_said(strategy, symbol)} at the same moment; nothing "
        "was done: look at assay models list and say it again"
    )


def _said(strategy: str, symbol: str | None) -> str:
    return strategy if symbol is None else f"{strategy} on {symbol}"
