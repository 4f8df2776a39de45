"""Builds the trainer's role: samples, jobs in processes of their own, the registry."""

from pathlib import Path

from deploy.role_runtime import RoleContext
from deploy.trust import ensure_signing_key
from models.feature_set import load_feature_set
from trainers.retraining.worker import RetrainWorker


def build(context: RoleContext) -> RetrainWorker:
    """Return the role, ready to run."""
    context.require_one_shard()
    return worker_of(context, context.state.jobs)


def worker_of(context: RoleContext, folder: Path) -> RetrainWorker:
    """Return a worker whose jobs are at work in `folder`."""
    settings, state = context.settings, context.state
    return RetrainWorker(
        context.bus,
        settings.strategies,
        load_feature_set().names,
        settings=settings.train,
        database_path=state.database(settings.ml_data_collection.db_path),
        folder=folder,
        signer=ensure_signing_key(state),
        trusted_keys=settings.trusted_keys,
        context=settings.context,
        collects=settings.ml_data_collection.enabled,
        on_ready=context.on_ready,
    )
