"""What a person decides about a scope's model: the same road as the trainer's own decisions.

A decision is written into the ledger before it has any effect, then carried out: pointer, then
`models.deployed`, then the policy where the trainer's had stood aside. Whoever dies on the way is
finished by the next trainer that starts, or by the same operation asked for again under its id.
"""

from typing import Literal

import msgspec

from engine.policies import RESUME, TRAINER
from models.registry import Placing, Pointer, Registry, is_digest
from streams.bus import Bus
from streams.errors import ModelError
from streams.events import Deployment, Policy
from trainers.learner import NULL
from trainers.retraining.ledger import Decision, Ledger
from trainers.retraining.publishing import Publishing
from trainers.retraining.shadows import Shadows
from trainers.retraining.stream_reading import standing_policy

Action = Literal["promote", "rollback", "expire"]
WHY_MAX = 200


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """A person's word about the model of a scope, carried out once under its `operation_id`.

    promote: `version`, a version or digest or the start of one, comes into force, or for a `share`
    below 1 as a canary (0 ends it). rollback: the model before the one in force
    comes back. expire: the null model comes into force, so that the configured fallback answers.
    All for signals from `effective_ts` on, UTC nanoseconds of event time.
    """

    operation_id: str
    action: Action
    strategy: str
    by: str
    why: str
    effective_ts: int
    symbol: str | None = None
    version: str = ""
    share: float = 1.0


async def carry_out_operation(bus: Bus, operation: Operation) -> Decision:
    """Decide and carry out an operation; return the decision that stands.

    `is_promoted` False there: another model came into force meanwhile, nothing was changed.
    Raises ModelError where it cannot be done: no such model, nothing to go back to, a pin.
    """
    ledger = Ledger(bus)
    decision = await ledger.find(operation.operation_id)
    is_fresh = False
    if decision is None:
        decision, is_fresh = await ledger.decide(await _decision(bus, operation))
    return await Publishing(bus, ledger).carry_out(decision, is_fresh=is_fresh)


async def digest_of_version(bus: Bus, strategy: str, symbol: str | None, version: str) -> str:
    """Return the digest of a model by its version or digest, or by the start of either.

    Looked for among what the scope's pointer, its shadow and the ledger know; a whole digest is
    taken as it is. Raises ModelError where none or several are called so.
    """
    if is_digest(version):
        return version
    pointer = await Registry(bus).pointer(strategy, symbol)
    record = await Shadows(bus).of(strategy, symbol)
    made = (d.deployment for d in await Ledger(bus).decisions())
    known = {(p.version, p.digest) for p in (pointer.placings if pointer else ())}
    known |= {(shadow.version, shadow.digest) for shadow in record.shadows}
    known |= {(d.version, d.digest) for d in made if d.strategy == strategy}
    named = {
        digest
        for name, digest in known
        if digest and (name.startswith(version) or digest.startswith(version))
    }
    if version and len(named) == 1:
        return named.pop()
    how_many = "several models are" if named else "no model is"
    raise ModelError(f"{how_many} called {version!r} in {strategy}: see assay models list")


async def _decision(bus: Bus, operation: Operation) -> Decision:
    registry = Registry(bus)
    pointer = await registry.pointer(operation.strategy, operation.symbol)
    if pointer is not None and pointer.pinned:
        raise ModelError(f"{pointer.current.version} is pinned; unpin it first")
    target = await _target(bus, operation, pointer)
    share = operation.share if operation.action == "promote" else 1.0
    if not 0.0 <= share <= 1.0:
        raise ModelError(f"share must be in [0, 1], was {share}")
    if share < 1.0 and (pointer is None or not pointer.current.digest):
        raise ModelError("a canary needs a model in force beside it; promote it to a share of 1")
    deployment = Deployment(
        strategy=operation.strategy,
        symbol=operation.symbol,
        version=target.version,
        digest=target.digest,
        effective_ts=operation.effective_ts,
        previous=pointer.current.version if pointer else None,
        verdict={"reason": operation.action, "requested": "person"},
        request_id=operation.operation_id,
        share=share,
        by=operation.by,
        why=operation.why,
    )
    return Decision(
        request_id=operation.operation_id,
        deployment=deployment,
        is_promoted=True,
        expected=pointer.revision if pointer else 0,
        policy=await _policy(bus, operation, share),
        cutoff_ts=operation.effective_ts,
        champion=pointer.current.digest if pointer else "",
    )


async def _target(bus: Bus, operation: Operation, pointer: Pointer | None) -> Placing:
    """Return what is to come into force, or the canary that is meant."""
    if operation.action == "expire":
        return Placing(NULL, "", operation.effective_ts)
    if operation.action == "rollback":
        if pointer is None or pointer.previous is None:
            raise ModelError(f"no model was in force in {operation.strategy} before this one")
        return pointer.previous
    scope = operation.strategy, operation.symbol
    digest = await digest_of_version(bus, *scope, operation.version)
    if pointer is not None and pointer.current.digest == digest:
        raise ModelError(f"{pointer.current.version} is in force already")
    artifact = await Registry(bus).get(digest)
    if artifact is None:
        raise ModelError(f"the object store has no model {digest}")
    return Placing(artifact.version, digest, operation.effective_ts)


async def _policy(bus: Bus, operation: Operation, share: float) -> Policy | None:
    """Lift what the trainer had ordered: a person says that this model is to be followed."""
    if operation.symbol is not None or operation.action == "expire" or share < 1.0:
        return None
    standing = await standing_policy(bus, operation.strategy)
    if standing is None or standing.by != TRAINER or standing.action == RESUME:
        return None
    why = f"{operation.action} by {operation.by}: {operation.why}"[:WHY_MAX]
    return Policy(operation.strategy, RESUME, TRAINER, why, operation.effective_ts)
