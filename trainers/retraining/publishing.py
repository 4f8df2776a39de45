"""Carries a decision out: pointer, event, policy, shadow record, each once, in this order."""

import logging

import msgspec

from models.registry import Registry
from streams import codec, subjects, topology
from streams.bus import Bus
from streams.errors import ConflictError, ModelError
from streams.events import Deployment, Event
from trainers.retraining.ledger import OVERTAKEN, Decision, Ledger
from trainers.retraining.shadows import Shadows
from trainers.retraining.stream_reading import holds

log = logging.getLogger("assay.trainer")


class Publishing:
    """Makes decisions of the ledger come true; may be called again at any point."""

    def __init__(self, bus: Bus, ledger: Ledger) -> None:
        self._bus = bus
        self._ledger = ledger
        self._registry = Registry(bus)
        self._shadows = Shadows(bus)

    async def finish_open(self) -> int:
        """Carry out what was decided by somebody who died before all of it was out.

        Returns how many were finished; one that cannot be carried out stays open.
        """
        left = [decision for decision in await self._ledger.decisions() if not decision.is_out]
        finished = 0
        for decision in left:
            try:
                await self.carry_out(decision, is_fresh=False)
                finished += 1
            except ModelError as error:
                # One scope's unreadable key must not keep the trainer from all the others.
                log.error("request %s stays open: %s", decision.request_id, error)
        return finished

    async def carry_out(self, decision: Decision, *, is_fresh: bool) -> Decision:
        """Point, publish and mark as out; return the decision that stands.

        A promotion that lost its race is kept instead. A decision that is not `is_fresh` may have
        been half carried out by somebody before.
        """
        if not decision.is_out and decision.is_promoted and not await self._point(decision):
            log.warning("request %s was overtaken by another model", decision.request_id)
            decision = await self._ledger.amend(_overtaken(decision))
            is_fresh = False
        if decision.is_out:
            return decision
        deployment = decision.deployment
        subject, stream = _place(decision)
        await self._publish(stream, subject, deployment, decision.request_id, is_fresh)
        if decision.policy is not None:
            subject = subjects.policy(deployment.strategy)
            policy_id = f"{decision.request_id}:policy"
            await self._publish(topology.INPUT, subject, decision.policy, policy_id, is_fresh)
        if not decision.is_refusal:
            await self._shadows.note(decision)
        decision = await self._ledger.amend(msgspec.structs.replace(decision, is_out=True))
        log.info(
            "%s %s: %s",
            "promoted" if decision.is_promoted else "kept",
            deployment.version,
            decision.reason,
        )
        return decision

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
                share=deployment.share,
                before=decision.before,
            )
        except ConflictError:
            held = await self._registry.pointer(deployment.strategy, deployment.symbol)
            if held is not None and held.holds(decision.request_id):
                return True
            # What was replaced since may have been told in its time; now it would be told behind
            # what replaced it, and so undo that.
            subject, stream = _place(decision)
            return await holds(self._bus, stream, subject, decision.request_id)
        return True

    async def _publish(
        self, stream: str, subject: str, event: Event, msg_id: str, is_fresh: bool
    ) -> None:
        if not is_fresh and await holds(self._bus, stream, subject, msg_id):
            return
        await self._bus.publish(subject, codec.encode(event), msg_id=msg_id)


def _place(decision: Decision) -> tuple[str, str]:
    """Return the subject and the stream of a decision's event."""
    strategy = decision.deployment.strategy
    if decision.is_promoted:
        return subjects.deployed(strategy), topology.INPUT
    return subjects.kept(strategy), topology.DRIFT


def _overtaken(decision: Decision) -> Decision:
    kept: Deployment = msgspec.structs.replace(
        decision.deployment, verdict=decision.deployment.verdict | {"reason": OVERTAKEN}
    )
    return msgspec.structs.replace(
        decision, deployment=kept, is_promoted=False, policy=None, trials=0, looks={}
    )
