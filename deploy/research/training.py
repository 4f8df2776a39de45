"""Models on demand: trained in this process, or by the trainer of a running broker."""

import asyncio
import importlib.metadata

import msgspec

from deploy.config import RunSettings
from deploy.connection import connect
from deploy.output import Output
from deploy.report import in_words
from deploy.requests import request_training
from deploy.role_runtime import cancel_on_signals, run_loop
from deploy.state import StateDir
from deploy.trust import ensure_signing_key
from engine.settings import StrategySettings
from models.artifact import Artifact, save_artifact
from models.feature_set import load_feature_set
from models.vector import vector_names
from streams import subjects
from streams.clock import SystemClock
from streams.errors import BusError
from streams.events import Deployment, Retrain
from streams.intake import event_of
from trainers.database.feature_database import FeatureDatabase
from trainers.database.provenance import params_digest_of
from trainers.training import train_candidate

DISTRIBUTION = "assay-signals"
ANSWER_TIMEOUT_S = 600.0
WAIT_S = 0.5


class Trained(msgspec.Struct, frozen=True):
    """What training a strategy's model came to. `path` is empty where none was written."""

    strategy: str
    promoted: bool
    version: str
    why: str
    figures: dict[str, object]
    path: str = ""


def train_here(settings: RunSettings, state: StateDir, output: Output) -> list[Trained]:
    """Train every strategy's model on the feature database; write those that pass the gate."""
    path = state.database(settings.ml_data_collection.db_path)
    with FeatureDatabase(path) as database:
        results = [_train_one(one, settings, state, database) for one in settings.strategies]
    for result in results:
        _say(result, output)
    return results


def train_there(settings: RunSettings, url: str, output: Output) -> list[Trained]:
    """Ask the trainer at `url` for a model of every strategy; return its answers."""
    results = run_loop(_ask(settings, url))
    for result in results:
        _say(result, output)
    return results


def _train_one(
    strategy: StrategySettings,
    settings: RunSettings,
    state: StateDir,
    database: FeatureDatabase,
) -> Trained:
    names = vector_names(load_feature_set().names, strategy.features)
    preferred = params_digest_of(strategy, settings.context)
    samples = database.read(strategy.name, names, preferred_digest=preferred)
    ts = int(samples.exit_ts.max()) if len(samples) else 0
    request = Retrain("offline", strategy.name, None, "initial", 0, "assay train", ts)
    filters = strategy.ml.prediction_mode == "filter"
    candidate = train_candidate(
        samples,
        request,
        settings.train,
        threshold=strategy.ml.confidence_threshold if filters else None,
        code_version=importlib.metadata.version(DISTRIBUTION),
    )
    verdict, saved = candidate.verdict, ""
    if verdict.promoted:
        signature = ensure_signing_key(state).sign(candidate.card)
        artifact = Artifact(candidate.card, candidate.onnx, signature)
        saved = str(save_artifact(artifact, state.models / strategy.name))
    return Trained(
        strategy.name,
        verdict.promoted,
        candidate.version(strategy.name),
        verdict.reason,
        dict(verdict.figures),
        saved,
    )


async def _ask(settings: RunSettings, url: str) -> list[Trained]:
    cancel_on_signals()
    bus = await connect(url, "assay-train")
    try:
        heard = [
            await bus.subscribe_plain(subject) for subject in (subjects.DEPLOYED, subjects.KEPT)
        ]
        ts = SystemClock().now_ns()
        waiting = {
            await request_training(bus, strategy.name, ts, "manual", "assay train")
            for strategy in settings.strategies
        }
        results = []
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            while waiting:
                for subscription in heard:
                    for message in await subscription.next_batch(WAIT_S):
                        answer = event_of(message)
                        if isinstance(answer, Deployment) and answer.request_id in waiting:
                            waiting.discard(answer.request_id)
                            results.append(_answered(answer, message.subject))
        return results
    except TimeoutError:
        raise BusError(
            f"the trainer at {url} did not answer within {ANSWER_TIMEOUT_S:.0f} s: does "
            "`assay status` show one?"
        ) from None
    finally:
        await bus.close()


def _answered(answer: Deployment, subject: str) -> Trained:
    promoted = subject.startswith("models.deployed.") and bool(answer.digest)
    why = str(answer.verdict.get("reason", ""))
    return Trained(answer.strategy, promoted, answer.version, why, answer.verdict)


def _say(result: Trained, output: Output) -> None:
    figures = ", ".join(
        f"{name} {value:.4g}" for name, value in result.figures.items() if isinstance(value, float)
    )
    what = f"{result.version} passed the gate" if result.promoted else "no model passed the gate"
    where = f", written to {result.path}" if result.path else ""
    output.say(f"{result.strategy}: {what} ({in_words(result.why)}){where}")
    output.say(f"    {figures}")
    if result.why == "too_few_samples":
        output.say("    --accumulate makes samples of history, assay up of what it answers")
