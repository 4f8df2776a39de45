"""A strategy with a known champion: models of four effects of Layer A, right, wrong or weak."""

from models.artifact import Artifact
from models.registry import Pointer, Registry
from streams import codec, layer_a, subjects
from streams.events import Retrain
from tests.models.tiny_model import tiny_artifact
from tests.trainers.house import STRATEGY, House
from tests.trainers.samples import START_TS, layer_a_dataset, with_signal_columns
from trainers.dataset import DAY_NS
from trainers.retraining.operations import Operation, carry_out_operation

FEATURES = layer_a.FEATURE_NAMES[:4]
EFFECTS = (0.43, -0.35, 0.27, -0.2)
BEGUN_TS = START_TS + 10 * DAY_NS

HISTORY = with_signal_columns(layer_a_dataset(900, seed=7))
LONGER = with_signal_columns(layer_a_dataset(1_400, seed=7))
FLIPPED = with_signal_columns(layer_a_dataset(900, seed=7, drift="FLIP", drift_at=200))


def model(house: House, strength: float, name: str = "tiny") -> Artifact:
    """A model that follows the law by `strength`: 1 right, -1 reversed, 0 nothing."""
    return tiny_artifact(
        FEATURES,
        tuple(strength * effect for effect in EFFECTS),
        -0.2,
        strategy=STRATEGY,
        signer=house.signer,
        learner=name,
        training_from_ts=START_TS,
        training_to_ts=START_TS + DAY_NS,
    )


async def in_force(house: House, *artifacts: Artifact, share: float = 1.0) -> None:
    """Put models in force one after the other, the last from BEGUN_TS on and for `share`."""
    for number, artifact in enumerate(artifacts):
        await Registry(house.bus).put(artifact)
        is_last = number == len(artifacts) - 1
        operation = Operation(
            operation_id=f"op-{artifact.digest[:8]}-{number}",
            action="promote",
            strategy=STRATEGY,
            by="ann",
            why="test",
            effective_ts=BEGUN_TS if is_last else START_TS,
            version=artifact.digest,
            share=share if is_last else 1.0,
        )
        await carry_out_operation(house.bus, operation)


async def ask(
    house: House,
    request_id: str,
    ts: int,
    action: str = "review",
    reason: str = "review",
    model: str = "",
    by: str = "drift",
    symbol: str | None = None,
) -> None:
    request = Retrain(request_id, STRATEGY, symbol, reason, 0, by, ts, action, model)
    await house.bus.publish(subjects.retrain(STRATEGY), codec.encode(request))


async def pointer_of(house: House, symbol: str | None = None) -> Pointer:
    pointer = await Registry(house.bus).pointer(STRATEGY, symbol)
    assert pointer is not None
    return pointer
