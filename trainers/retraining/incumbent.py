"""What is in force for a request's scope before it is answered."""

from pathlib import Path
from typing import NamedTuple

from engine.settings import StrategySettings
from models.artifact import Artifact, load_artifact
from models.registry import Placing, Pointer, Registry
from streams.errors import ModelRefused
from streams.events import Retrain


class Incumbent(NamedTuple):
    """The model in force, `artifact` None where there is none or, for the reason `missing`,
    none to be had; the event time from which it is in force; and the scope's own pointer, None
    before the first.
    """

    own: Pointer | None = None
    version: str | None = None
    artifact: Artifact | None = None
    effective_ts: int = 0
    is_pinned: bool = False
    missing: str = ""

    @property
    def revision(self) -> int:
        """The revision of the scope's own pointer, 0 before the first."""
        return self.own.revision if self.own else 0

    @property
    def digest(self) -> str:
        """The digest of the model in force, "" where there is none to be had."""
        return self.artifact.digest if self.artifact else ""

    @property
    def before(self) -> Placing | None:
        """What a first pointer of the scope remembers as the model of before, if anything."""
        if self.own is not None or self.artifact is None or self.version is None:
            return None
        return Placing(self.version, self.digest, self.effective_ts)


async def incumbent_of(
    registry: Registry, settings: StrategySettings, request: Retrain
) -> Incumbent:
    """Find it: the scope's own pointer, else the strategy's, else the file of `ml.model_path`.

    Raises ModelRefused where a pointer cannot be read.
    """
    own = await registry.pointer(request.strategy, request.symbol)
    pointer = own or await registry.pointer(request.strategy)
    if pointer is None or settings.ml.pinned:
        return _from_file(settings, own)
    current = pointer.current
    held = Incumbent(
        own, current.version, effective_ts=current.effective_ts, is_pinned=pointer.pinned
    )
    if not current.digest:
        return held
    try:
        artifact = await registry.get(current.digest)
    except ModelRefused as refused:
        return held._replace(missing=str(refused))
    if artifact is None:
        return held._replace(missing=f"no artefact {current.digest} in the object store")
    return held._replace(artifact=artifact)


def _from_file(settings: StrategySettings, own: Pointer | None) -> Incumbent:
    held = Incumbent(own, is_pinned=settings.ml.pinned)
    if not settings.ml.model_path:
        return held
    try:
        artifact = load_artifact(Path(settings.ml.model_path))
        return held._replace(version=artifact.version, artifact=artifact)
    except ModelRefused as refused:
        return held._replace(missing=str(refused))
