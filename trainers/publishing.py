"""Carries a decision out: pointer, event, policy, each once, in this order."""

import logging

import msgspec

from models.registry import Registry
from streams import codec, subjects, topology
from streams.bus import Bus
from streams.errors import ConflictError
from streams.events import Deployment, Event, Retrain
from trainers.ledger import Decision, Ledger
from trainers.stream_reading import holds

OVERTAKEN = "overtaken"

log = logging.getLogger("assay.trainer")


class Publishing:
    """Makes a decision of the ledger come true; may be called again at any point."""

    def __init__(self, bus: Bus, ledger: Ledger) -> None:
        self._bus = bus
        self._ledger = ledger
        self._registry = Registry(bus)

    async def carry_out(self, decision: Decision, request: Retrain, *, is_fresh: bool) -> None:
        """Point, publish and mark as out; a promotion that lost its race is kept instead.

        A decision that is not `is_fresh` may have been half carried out by somebody before.
        """
        if decision.is_out:
            return
        if decision.is_promoted and not await self._point(decision):
            log.warning("request %s was overtaken by another model", decision.request_id)
            decision = await self._ledger.amend(_overtaken(decision))
        deployment = decision.deployment
        if decision.is_promoted:
            subject, stream = subjects.deployed(request.strategy), topology.INPUT
        else:
            subject, stream = subjects.kept(request.strategy), topology.DRIFT
        await self._publish(stream, subject, deployment, decision.request_id, is_fresh)
        if decision.policy is not None:
            subject, policy_id = subjects.policy(request.strategy), f"{decision.request_id}:policy"
            await self._publish(topology.INPUT, subject, decision.policy, policy_id, is_fresh)
        await self._ledger.amend(msgspec.structs.replace(decision, is_out=True))
        log.info(
            "%s %s: %s",
            "promoted" if decision.is_promoted else "kept",
            deployment.version,
            deployment.verdict.get("reason"),
        )

    async def _point(self, decision: Decision) -> bool:
        """Put the model in force; returns False when another one was put there meanwhile."""
        deployment = decision.deployment
        try:
            await self._registry.point(
                deployment.strategy,
                deployment.symbol,
                deployment.version,
                deployment.digest,
                effective_ts=deployment.effective_ts,
                expected=decision.expected,
                request_id=decision.request_id,
            )
        except ConflictError:
            held = await self._registry.pointer(deployment.strategy, deployment.symbol)
            placings = () if held is None else (held.current, *held.history)
            return any(placing.request_id == decision.request_id for placing in placings)
        return True

    async def _publish(
        self, stream: str, subject: str, event: Event, msg_id: str, is_fresh: bool
    ) -> None:
        if not is_fresh and await holds(self._bus, stream, subject, msg_id):
            return
        await self._bus.publish(subject, codec.encode(event), msg_id=msg_id)


def _overtaken(decision: Decision) -> Decision:
    kept: Deployment = msgspec.structs.replace(
        decision.deployment, verdict=decision.deployment.verdict | {"reason": OVERTAKEN}
    )
    return msgspec.structs.replace(decision, deployment=kept, is_promoted=False, policy=None)
