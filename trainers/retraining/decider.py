"""Decides one retrain request: scope, champion, refusal or job, verdict, share, policy."""

import contextlib
from collections.abc import Mapping, Sequence

import msgspec

from engine.policies import TRAINER
from engine.settings import StrategySettings
from models.artifact import Artifact
from models.registry import Registry
from streams import subjects
from streams.bus import Bus
from streams.errors import ModelRefused
from streams.events import Deployment, Policy, Retrain
from trainers.database.feature_database import FeatureDatabase
from trainers.dataset import DAY_NS
from trainers.gate import TOO_FEW_OUTCOMES
from trainers.learner import NULL
from trainers.retraining.champion import frozen_ts_of
from trainers.retraining.entrants import entrants_of
from trainers.retraining.incumbent import Incumbent, incumbent_of
from trainers.retraining.job_files import CANARY, CHALLENGER, IN_FORCE, Entrant, JobResult, Judged
from trainers.retraining.ledger import Decision
from trainers.retraining.policy_rule import aside_since, has_a_say, leaves_no_model, policy_after
from trainers.retraining.refusals import ASKS_FOR_NOTHING, refusal_of
from trainers.retraining.request import DRIFT_ALARM, REFRESH, REVIEW, as_alarm, scope_of
from trainers.retraining.review import chosen, is_due, waiting
from trainers.retraining.shadows import ScopeRecord, Shadows
from trainers.retraining.stream_reading import standing_policy
from trainers.retraining.training_jobs import Task, TrainingJobs
from trainers.retraining.verdict import is_trial, review_verdict, training_verdict
from trainers.settings import TrainSettings

NOTHING_IN_SHADOW = "nothing_in_shadow"
WHY_MAX = 200
FOREBEARS_MAX = 32


class Decider:
    """Holds what does not change between requests; changes nothing but the object store."""

    def __init__(
        self,
        bus: Bus,
        strategies: Mapping[str, StrategySettings],
        settings: TrainSettings,
        jobs: TrainingJobs,
    ) -> None:
        self._bus = bus
        self._registry = Registry(bus)
        self._shadows = Shadows(bus)
        self._strategies = strategies
        self._settings = settings
        self._jobs = jobs

    async def decide(
        self,
        request: Retrain,
        cutoff_ts: int,
        database: FeatureDatabase,
        behind: Sequence[Retrain] = (),
    ) -> Decision:
        """Decide on what was known at `cutoff_ts`; raises ModelError when a job fails.

        `database` holds the samples, `behind` are the requests behind this one in the queue.
        """
        symbol = await scope_of(self._registry, request)
        request = msgspec.structs.replace(request, symbol=symbol)
        settings = self._strategies[request.strategy]
        incumbent = await incumbent_of(self._registry, settings, request)
        record = await self._shadows.of(request.strategy, symbol)
        is_refresh = request.reason.startswith(REFRESH) and request.model == incumbent.version
        if is_refresh and record.fails_anew(request, incumbent.digest):
            request = as_alarm(request)
        refusal = refusal_of(request, cutoff_ts, incumbent, record, behind, self._settings)
        if refusal:
            return await self._refused(request, cutoff_ts, incumbent, refusal)
        if request.action == REVIEW:
            return await self._reviewed(request, cutoff_ts, incumbent, record, database)
        return await self._trained(request, cutoff_ts, incumbent, record, database)

    async def reviews_beside(self, request: Retrain) -> list[Retrain]:
        """Return what a strategy's review asks of symbols with something in their own shadow.

        The ids follow from the request's: asked again, it is the same reviews.
        """
        found = []
        if request.action == REVIEW and request.symbol is None:
            for symbol in await self._shadows.symbols(request.strategy):
                name = f"{request.request_id}.{subjects.token(symbol)}"
                review = msgspec.structs.replace(request, request_id=name, symbol=symbol, model="")
                with contextlib.suppress(ModelRefused):
                    if await self._has_entrants(review):
                        found.append(review)
        return found

    async def refuse(self, request: Retrain, cutoff_ts: int, reason: str) -> Decision:
        """Decide that nothing changes because no answer could be found."""
        settings = self._strategies[request.strategy]
        try:
            symbol = await scope_of(self._registry, request)
            request = msgspec.structs.replace(request, symbol=symbol)
            incumbent = await incumbent_of(self._registry, settings, request)
        except ModelRefused as error:
            # The pointer itself cannot be read: of what is in force nothing is known, so the
            # policy is left as it is.
            incumbent = Incumbent(missing=str(error))
            return self._refusal(request, cutoff_ts, incumbent, reason)
        return await self._refused(request, cutoff_ts, incumbent, reason)

    async def _refused(
        self, request: Retrain, cutoff_ts: int, incumbent: Incumbent, reason: str
    ) -> Decision:
        decision = self._refusal(request, cutoff_ts, incumbent, reason)
        if reason in ASKS_FOR_NOTHING:
            return decision
        return await self._with_policy(decision, incumbent, is_champion_refused=False)

    def _refusal(
        self, request: Retrain, cutoff_ts: int, incumbent: Incumbent, reason: str
    ) -> Decision:
        verdict = training_verdict(request, JobResult(False, reason, {}))
        deployment = self._event(request, cutoff_ts, incumbent, verdict)
        decision = self._decision(request, cutoff_ts, incumbent, deployment)
        return msgspec.structs.replace(decision, is_refusal=True)

    async def _trained(
        self,
        request: Retrain,
        cutoff_ts: int,
        incumbent: Incumbent,
        record: ScopeRecord,
        database: FeatureDatabase,
    ) -> Decision:
        before = _tried(request, record, incumbent)
        task = Task(request, cutoff_ts, incumbent.artifact, before)
        result, artifact = self._too_early(task, database), None
        if result is None:
            result, artifact = await self._jobs.run(task)
        if incumbent.missing:
            result = msgspec.structs.replace(result, champion_refused=incumbent.missing)
        if artifact is not None:
            await self._registry.put(artifact)
        is_promoted = result.promoted and artifact is not None
        deployment = self._event(
            request,
            cutoff_ts,
            incumbent,
            training_verdict(request, result),
            version=artifact.version if artifact else NULL,
            digest=artifact.digest if artifact else "",
            share=self._share(incumbent, result) if is_promoted else 1.0,
        )
        decision = msgspec.structs.replace(
            self._decision(request, cutoff_ts, incumbent, deployment),
            is_promoted=is_promoted,
            trials=int(is_trial(result.figures)),
            looks=_looks(artifact, result),
            parent=artifact.card.parent if artifact else "",
        )
        if is_promoted:
            await self._keep_for_rollback(incumbent)
        return await self._with_policy(
            decision, incumbent, is_champion_refused=bool(result.champion_refused)
        )

    async def _reviewed(
        self,
        request: Retrain,
        cutoff_ts: int,
        incumbent: Incumbent,
        record: ScopeRecord,
        database: FeatureDatabase,
    ) -> Decision:
        entrants = await self._entrants(request, incumbent, record)
        shadow = [(one, await self._artifact(one.digest)) for one in entrants]
        known = [(one, artifact) for one, artifact in shadow if artifact is not None]
        task = Task(
            request, cutoff_ts, incumbent.artifact, _tried(request, record, incumbent), known
        )
        if any(self._is_due(task, *one, database) for one in known):
            result, _ = await self._jobs.run(task)
        else:
            judged = tuple(waiting(entrant) for entrant, _ in known)
            result = JobResult(False, NOTHING_IN_SHADOW, {}, judged=judged)
        found = chosen(result.judged)
        is_back = found is not None and found.entrant.role == IN_FORCE
        verdict = review_verdict(request, result, found)
        deployment = self._event(
            request,
            cutoff_ts,
            incumbent,
            verdict,
            version=found.entrant.version if found else incumbent.version or NULL,
            digest=found.entrant.digest if found else "",
            share=self._share_of(found, incumbent, result) if found else 1.0,
        )
        looked_at = [one for one in result.judged if one.is_look]
        decision = msgspec.structs.replace(
            self._decision(request, cutoff_ts, incumbent, deployment),
            is_promoted=found is not None and not is_back,
            trials=sum(one.entrant.role == CHALLENGER for one in looked_at),
            looks={one.entrant.digest: int(one.figures["gate_outcomes"]) for one in looked_at},
            parent=_parent_of(found, known),
        )
        if decision.is_promoted:
            await self._keep_for_rollback(incumbent)
        return await self._with_policy(
            decision,
            incumbent,
            is_champion_refused=bool(result.champion_refused),
            is_back=is_back,
        )

    async def _entrants(
        self, request: Retrain, incumbent: Incumbent, record: ScopeRecord
    ) -> tuple[Entrant, ...]:
        # A policy is the strategy's: of a symbol's own model it says nothing.
        is_whole = request.symbol is None
        policy = await standing_policy(self._bus, request.strategy) if is_whole else None
        return entrants_of(
            incumbent,
            record,
            self._settings,
            aside_ts=aside_since(policy),
            forebears=await self._forebears(incumbent.artifact),
        )

    async def _has_entrants(self, request: Retrain) -> bool:
        incumbent = await incumbent_of(self._registry, self._strategies[request.strategy], request)
        record = await self._shadows.of(request.strategy, request.symbol)
        return bool(await self._entrants(request, incumbent, record))

    def _too_early(self, task: Task, database: FeatureDatabase) -> JobResult | None:
        """Return what a job would say of a drift behind which too little has happened, or None."""
        request = task.request
        if not request.reason.startswith((DRIFT_ALARM, REFRESH)):
            return None
        outcomes = database.count_known(
            request.strategy,
            request.symbol,
            from_ts=request.since_ts,
            known_by_ts=task.cutoff_ts,
        )
        if outcomes >= self._settings.gate.outcomes_min:
            return None
        return JobResult(False, TOO_FEW_OUTCOMES, {"gate_outcomes": float(outcomes)})

    def _is_due(
        self, task: Task, entrant: Entrant, artifact: Artifact, database: FeatureDatabase
    ) -> bool:
        """Whether a job would look at an entrant: it is not started for nothing."""
        models = (artifact, task.champion) if task.champion else (artifact,)
        frozen_ts = max(frozen_ts_of(model.card) for model in models)
        outcomes = database.count_known(
            task.request.strategy,
            task.request.symbol,
            from_ts=max(frozen_ts + 1, entrant.opens_ts),
            known_by_ts=task.cutoff_ts,
        )
        return is_due(entrant, outcomes, self._settings)

    def _event(
        self,
        request: Retrain,
        cutoff_ts: int,
        incumbent: Incumbent,
        verdict: dict[str, float | str],
        *,
        version: str = NULL,
        digest: str = "",
        share: float = 1.0,
    ) -> Deployment:
        return Deployment(
            strategy=request.strategy,
            symbol=request.symbol,
            version=version,
            digest=digest,
            effective_ts=cutoff_ts + int(self._settings.delay_days * DAY_NS),
            previous=incumbent.version,
            verdict=verdict,
            request_id=request.request_id,
            share=share,
        )

    def _decision(
        self, request: Retrain, cutoff_ts: int, incumbent: Incumbent, deployment: Deployment
    ) -> Decision:
        return Decision(
            request_id=request.request_id,
            deployment=deployment,
            is_promoted=False,
            expected=incumbent.revision,
            request=request,
            cutoff_ts=cutoff_ts,
            champion=incumbent.digest,
            before=incumbent.before,
        )

    def _share(self, incumbent: Incumbent, result: JobResult) -> float:
        """A model that replaces one goes out as a canary first, where that is wanted."""
        has_champion = incumbent.artifact is not None and not result.champion_refused
        return self._settings.canary_share if has_champion and self._settings.canary_share else 1.0

    def _share_of(self, found: Judged, incumbent: Incumbent, result: JobResult) -> float:
        if found.entrant.role == CHALLENGER:
            return self._share(incumbent, result)
        return 0.0 if found.entrant.role == CANARY and found.is_ended else 1.0

    async def _artifact(self, digest: str) -> Artifact | None:
        with contextlib.suppress(ModelRefused):
            return await self._registry.get(digest)
        return None

    async def _forebears(self, artifact: Artifact | None) -> tuple[str, ...]:
        """Return the digests of those that a model was recalibrated from, newest first."""
        found: list[str] = []
        while artifact is not None and artifact.card.parent and len(found) < FOREBEARS_MAX:
            found.append(artifact.card.parent)
            artifact = await self._artifact(found[-1])
        return tuple(found)

    async def _keep_for_rollback(self, incumbent: Incumbent) -> None:
        """Store a champion that came from a file: it must be there to go back to."""
        if incumbent.before is not None and incumbent.artifact is not None:
            await self._registry.put(incumbent.artifact)

    async def _with_policy(
        self,
        decision: Decision,
        incumbent: Incumbent,
        *,
        is_champion_refused: bool,
        is_back: bool = False,
    ) -> Decision:
        request = decision.request
        # A canary beside the model in force, or the end of one, is no answer yet.
        is_aside = decision.is_promoted and decision.deployment.share < 1.0
        if request is None or not has_a_say(request) or (is_aside and request.action == REVIEW):
            return decision
        has_champion = incumbent.artifact is not None and not is_champion_refused
        # What acts again is as good as promoted.
        is_promoted = is_back or (decision.is_promoted and not is_aside)
        is_alone = leaves_no_model(request, incumbent.version if has_champion else None)
        if not (is_promoted or is_alone):
            return decision
        action = policy_after(
            is_promoted=is_promoted,
            is_without_a_model=is_alone,
            standing=await standing_policy(self._bus, request.strategy),
        )
        if action is None:
            return decision
        why = f"{request.reason}: {decision.reason}"[:WHY_MAX]
        policy = Policy(request.strategy, action, TRAINER, why, decision.deployment.effective_ts)
        return msgspec.structs.replace(decision, policy=policy)


def _tried(request: Retrain, record: ScopeRecord, incumbent: Incumbent) -> int:
    """How many challengers spent of the alpha; a confirmed drift begins a new count."""
    is_alarm = request.reason.startswith(DRIFT_ALARM)
    return 0 if is_alarm else record.tried_beside(incumbent.digest)


def _parent_of(found: Judged | None, known: Sequence[tuple[Entrant, Artifact]]) -> str:
    parents = (artifact.card.parent for one, artifact in known if found and one == found.entrant)
    return next(parents, "")


def _looks(artifact: Artifact | None, result: JobResult) -> dict[str, int]:
    if artifact is None or not is_trial(result.figures):
        return {}
    return {artifact.digest: int(result.figures["gate_outcomes"])}
