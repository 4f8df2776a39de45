"""The scorers' proof of a model, made before it is deployed."""

from deploy.operations.scorer_terms import ScorerTerms
from models.artifact import Artifact
from models.feature_set import feature_names
from models.onnx_session import load_model
from models.signing import KEY_BYTES, SigningKey
from models.vector import vector_names
from streams.errors import ModelRefused


def prove(artifact: Artifact, strategy: str, symbol: str | None, terms: ScorerTerms | None) -> None:
    """Verify a model as the scorers will; raises ModelRefused where they would refuse it.

    Without `terms` its signer and its features are taken as they are: all else is verified.
    """
    names = artifact.card.features
    if terms is not None:
        if strategy not in terms.features:
            raise ModelRefused(f"strategy {strategy!r} is not configured")
        if strategy in terms.pinned:
            raise ModelRefused(
                f"ml.pinned holds the ml.model_path of {strategy!r}, whatever is deployed; take "
                "the pin out of the run file and start the scorers again"
            )
        names = vector_names(feature_names(), terms.features[strategy])
    keys = terms.trusted_keys if terms is not None else ()
    digest = artifact.digest
    if not keys:
        # Nobody can say who is trusted there: the proof goes on as if its signer were.
        anybody = SigningKey(bytes(KEY_BYTES))
        artifact = Artifact(artifact.card_bytes, artifact.onnx, anybody.sign(artifact.card_bytes))
        keys = (anybody.public_hex,)
    load_model(artifact, names, keys, digest, (strategy, symbol))
