"""`assay train --full`: the searched pipeline on what the stream served, strategy by strategy."""

from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from deploy.config import RunSettings
from deploy.output import Output
from deploy.research.evaluating import Evaluated, evaluate_model
from deploy.research.evaluation_view import show_evaluation
from deploy.research.extraction_plan import Asked, plan_of
from deploy.research.pipeline_view import Found, show_pipeline
from deploy.research.pipelining import (
    PipelineAsked,
    ToTrain,
    check_learners,
    pipeline_jobs,
    pipeline_settings,
    train_models,
)
from deploy.research.sample_reader import SampleReader
from deploy.state import StateDir
from deploy.trust import ensure_signing_key
from trainers.pipeline.model_report import ModelReport
from trainers.pipeline.pipeline_results import PipelineResults
from trainers.pipeline.pipeline_run import PipelineJob
from trainers.settings import GateSettings


class FullAsked(NamedTuple):
    """The options; `changes` are keys of PipelineSettings, `folder` None is that of the state."""

    config: Path
    assignments: tuple[str, ...]
    changes: dict[str, Any]
    folder: Path | None
    ledger: str
    again: bool = False


class FullyTrained(msgspec.Struct, frozen=True):
    """What became of the models: their accounts, folder by folder, and what those that passed the
    gate are worth on what they have not been trained on.
    """

    accounts: list[PipelineResults]
    evaluations: list[Evaluated]

    @property
    def is_any_fit(self) -> bool:
        """Whether a model passed the gate, and passes it on what it has not been trained on."""
        return any(one.promoted for one in self.evaluations)


def train_fully(
    asked: FullAsked, settings: RunSettings, state: StateDir, output: Output
) -> FullyTrained:
    """Train a model of every strategy of the run on its recorded samples; write, judge, evaluate.

    Errors as `deploy.research.pipelining.train_models`.
    """
    extraction = Asked(
        config=asked.config, assignments=asked.assignments, to_database=False, from_record=True
    )
    plan = plan_of(extraction)
    searched = pipeline_settings(settings, asked.changes)
    check_learners(searched)
    jobs = pipeline_jobs(
        plan.jobs, SampleReader(plan, state, settings), PipelineAsked(extraction, asked.changes)
    )
    accounts: list[PipelineResults] = []
    evaluations: list[Evaluated] = []
    for folder, own in _by_folder(jobs, asked, state):
        to_train = ToTrain(
            jobs=own,
            settings=searched,
            folder=folder,
            ledger=asked.ledger,
            signer=ensure_signing_key(state),
            created_from=str(asked.config),
            again=asked.again,
        )
        found, results = train_models(to_train, output)
        show_pipeline(found, folder, output)
        accounts.append(results)
        evaluations += _evaluated(found, folder, settings, searched.gate, state)
    for one in evaluations:
        show_evaluation(one, output)
    return FullyTrained(accounts, evaluations)


def _by_folder(
    jobs: list[PipelineJob], asked: FullAsked, state: StateDir
) -> list[tuple[Path, list[PipelineJob]]]:
    if asked.folder is not None:
        return [(asked.folder, jobs)]
    return [(state.models / job.strategy, [job]) for job in jobs]


def _evaluated(
    found: list[Found], folder: Path, settings: RunSettings, gate: GateSettings, state: StateDir
) -> list[Evaluated]:
    strategies = {one.name: one for one in settings.strategies}
    return [
        evaluate_model(
            strategies[told.identity.strategy],
            folder / told.files["model"],
            settings,
            state,
            gate,
        )
        for told, _ in found
        if isinstance(told, ModelReport) and "model" in told.files
    ]
