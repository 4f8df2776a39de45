"""The samples that models are made of: extracted from bars, or as the stream recorded them."""

import msgspec
import numpy as np
import polars as pl

from deploy.config import RunSettings
from deploy.research.extraction import Bars, check_interval
from deploy.research.extraction_plan import Job, Plan
from deploy.state import StateDir
from engine.settings import EXTERNAL
from models.feature_set import load_feature_set
from models.vector import vector_names
from streams.errors import AssayError
from streams.session import session as session_named
from trainers.database.feature_database import FeatureDatabase
from trainers.database.provenance import params_digest_of
from trainers.dataset import Dataset
from trainers.dataset_frames import dataset_of_frame
from trainers.extraction.extraction import extract_trades
from trainers.extraction.feature_extractor import FeatureExtractor
from trainers.extraction.training_frame import training_frame
from trainers.pipeline.pipeline_run import JobSamples
from trainers.pipeline.training_task import TrainingTask
from trainers.recomputed_vectors import recompute_vectors
from trainers.served_difference import compare_vectors


class SampleReader:
    """Makes the samples of a plan's jobs. Bars are read once.

    `record`: the run whose feature database holds the samples, which are held against what the
    bars give; None: they are extracted from bars.
    """

    def __init__(self, plan: Plan, state: StateDir, record: RunSettings | None) -> None:
        self._plan, self._state, self._record = plan, state, record
        self._bars = Bars(plan)

    def symbols(self, job: Job) -> tuple[str, ...]:
        """Return the symbols of a job: those asked for, or all that there are."""
        if job.symbols:
            return job.symbols
        if self._record is not None:
            return tuple(np.unique(self._recorded(job, None, self._record).symbols).tolist())
        return self._bars.of(()).history.symbols

    def read(self, job: Job, symbol: str | None) -> JobSamples:
        """Return the samples of a job, of one symbol or of all of its own.

        Raises ConfigError or DataError for what cannot be had; that served samples cannot be
        compared is only told.
        """
        task = _task(job, symbol)
        if self._record is None:
            return JobSamples(self._extracted(job, symbol), task)
        task = msgspec.structs.replace(task, vectors="served")
        served = self._recorded(job, symbol, self._record)
        try:
            difference = compare_vectors(served, self._recomputed(job, symbol, served))
        except AssayError as error:
            why = f"the served vectors were not held against recomputed ones: {error}"
            return JobSamples(served, msgspec.structs.replace(task, warnings=(why,)))
        return JobSamples(served, task, difference)

    def _recorded(self, job: Job, symbol: str | None, run: RunSettings) -> Dataset:
        settings = job.settings
        location = self._state.database(run.ml_data_collection.db_path)
        digest = params_digest_of(settings, run.context)
        # What a run recorded before its parameters were changed is of that strategy still; with
        # parameters that were named here, it is not.
        is_own = any(
            digest == params_digest_of(one, run.context)
            for one in run.strategies
            if one.name == settings.name
        )
        with FeatureDatabase(location) as database:
            found = database.read(
                settings.name,
                vector_names(load_feature_set().names, settings.features),
                symbol=symbol,
                params_digest=None if is_own else digest,
                preferred_digest=digest,
            )
        if symbol is not None or not job.symbols:
            return found
        return found.take(np.isin(found.symbols, job.symbols))

    def _recomputed(self, job: Job, symbol: str | None, served: Dataset) -> Dataset:
        if job.settings.rule_name != EXTERNAL:
            return self._extracted(job, symbol)
        history, session, _ = self._bars.of(job.symbols)
        return recompute_vectors(
            served, history, load_feature_set(), session_named(session), self._plan.context
        )

    def _extracted(self, job: Job, symbol: str | None) -> Dataset:
        check_interval(job, self._plan)
        history, session, _ = self._bars.of(job.symbols)
        extractor = FeatureExtractor(
            **self._plan.terms,
            context=self._plan.context,
            interval=self._plan.data.interval,
            session=session,
        )
        settings = extractor.settings_of(job.settings, session)
        market = extractor.market_of(settings, history, session, job.symbols)
        wanted = (symbol,) if symbol is not None else job.symbols or history.symbols
        features = load_feature_set()
        frames = [
            training_frame(extract_trades(settings, market.of_symbol(one), features))
            for one in wanted
        ]
        return dataset_of_frame(pl.concat(frames))


def _task(job: Job, symbol: str | None) -> TrainingTask:
    settings, winner = job.settings, job.winner
    return TrainingTask(
        strategy=settings.name,
        symbol=symbol,
        rule=settings.rule_name,
        interval=settings.interval,
        params=dict(settings.params),
        chosen_from_ts=winner.span.started_ts if winner is not None else 0,
        chosen_to_ts=winner.span.ended_ts if winner is not None else 0,
    )
