"""Extracted trades as samples of the run's feature database, with what they come from."""

from types import TracebackType
from typing import Self

import msgspec

from deploy.first_models import first_models
from deploy.research.extraction_plan import Plan
from deploy.state import StateDir
from models.feature_set import load_feature_set
from models.onnx_session import Model
from models.vector import vector_names
from trainers.backtest_samples import register_run
from trainers.database.feature_database import FeatureDatabase
from trainers.database.provenance import DataSet
from trainers.extraction.extraction import Extraction
from trainers.extraction.labelled_samples import labelled_samples


class SampleStore:
    """A context manager: the database is open inside, where the plan wants samples kept.

    `added` counts the samples that were new, `title` is what messages call the database, None
    where none is wanted.
    """

    def __init__(self, plan: Plan, state: StateDir) -> None:
        self.added = 0
        self.title: str | None = None
        self._plan = plan
        self._state = state
        self._database: FeatureDatabase | None = None
        self._models: dict[str, Model] = {}

    def __enter__(self) -> Self:
        if self._plan.collection is not None:
            self._state.make()
            location = self._state.database(self._plan.collection.db_path)
            self._database = FeatureDatabase(location)
            self.title = self._database.title
            self._models = self._first_models()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._database is not None:
            self._database.close()

    def keep(self, found: Extraction, data: DataSet) -> None:
        """Add the samples of one symbol, made of `data`; what stands there is not added again."""
        if self._database is None:
            return
        settings = found.settings
        if self._plan.terms:
            # Other costs are other parameters: they make other labels.
            costs = found.market.costs[0]
            settings = msgspec.structs.replace(settings, costs=costs, instruments=None)
        names = load_feature_set().names
        provenance = register_run(
            self._database, (settings,), names, data, context=self._plan.context
        )
        self.added += self._database.add(
            labelled_samples(found, provenance, self._models.get(settings.name))
        )

    def _first_models(self) -> dict[str, Model]:
        run = self._plan.run
        if run is None:
            return {}
        features = load_feature_set().names
        names = {one.name: vector_names(features, one.features) for one in run.strategies}
        return first_models(names, run, self._state)
