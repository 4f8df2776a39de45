"""Recalibration: the same trees in the same order, under a line that fits what came since."""

from models.artifact import Artifact
from streams.events import Retrain
from trainers.dataset import Dataset
from trainers.frozen_model import FrozenModel
from trainers.settings import TrainSettings
from trainers.training import Candidate


def recalibrate(
    artifact: Artifact,
    champion: FrozenModel,
    samples: Dataset,
    request: Retrain,
    settings: TrainSettings,
    *,
    threshold: float | None = None,
    code_version: str = "",
    challengers_before: int = 0,
) -> Candidate:
    """Fit a new calibration to the model of `artifact` and judge it beside the model as it is."""
    raise NotImplementedError
