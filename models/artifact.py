"""A model as it travels and rests: card, ONNX graph and signature, together.

In the object store it is one bundle (MessagePack) under the digest of its card. On disk it is
three files side by side: `<name>.onnx`, `<name>.card.json`, `<name>.sig` (hex).
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from models.card import (
    CARD_BYTES_MAX,
    ModelCard,
    decode_card,
    digest_of_card,
    encode_card,
    version_of,
)
from models.signing import SIGNATURE_BYTES, SigningKey
from streams.errors import ModelRefused
from streams.whole_file import write_whole

MODEL_BYTES_MAX = 32 * 1024 * 1024
FILE_NAME = "model"
_ENVELOPE_BYTES = 1024
_FORMAT = "assay-model-1"


class _Bundle(msgspec.Struct, array_like=True, frozen=True):
    format: str
    card: bytes
    onnx: bytes
    signature: Annotated[bytes, msgspec.Meta(max_length=SIGNATURE_BYTES)]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Bundle)


@dataclass(frozen=True, slots=True)
class Artifact:
    """One model: the canonical bytes of its card, its ONNX graph, the card's signature.

    Nothing is verified here: that is `models.onnx_session.load_model`.
    """

    card_bytes: bytes
    onnx: bytes
    signature: bytes

    @property
    def digest(self) -> str:
        """The model's name: SHA-256, in hex, of the card, which holds that of the graph."""
        return digest_of_card(self.card_bytes)

    @property
    def card(self) -> ModelCard:
        """The decoded card; raises ModelRefused if it is not a sound one."""
        return decode_card(self.card_bytes)

    @property
    def version(self) -> str:
        """The short name people see; raises ModelRefused as `card` does."""
        return version_of(self.card.strategy, self.digest)

    def to_bundle(self) -> bytes:
        """Return the one-piece form for the object store; raises ModelRefused if too large."""
        check_sizes(self.card_bytes, self.onnx)
        return _encoder.encode(_Bundle(_FORMAT, self.card_bytes, self.onnx, self.signature))

    @classmethod
    def from_bundle(cls, data: bytes) -> "Artifact":
        """Return the artefact in a bundle; raises ModelRefused for anything else."""
        if len(data) > MODEL_BYTES_MAX + CARD_BYTES_MAX + _ENVELOPE_BYTES:
            raise ModelRefused(
                f"the bundle has {len(data)} bytes, at most {MODEL_BYTES_MAX} of them may be graph"
            )
        try:
            bundle = _decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ModelRefused(
                f"the bundle is truncated or corrupt ({error}); put the model again"
            ) from None
        if bundle.format != _FORMAT:
            raise ModelRefused(f"the bundle has format {bundle.format!r}, expected {_FORMAT!r}")
        check_sizes(bundle.card, bundle.onnx)
        return cls(bundle.card, bundle.onnx, bundle.signature)


def seal(card: ModelCard, onnx: bytes, signer: SigningKey) -> Artifact:
    """Return the signed artefact of a card and its graph.

    Raises ModelError if the card cannot be written, ModelRefused if it is not the graph's card.
    """
    found = hashlib.sha256(onnx).hexdigest()
    if card.onnx_sha256 != found:
        raise ModelRefused(f"onnx_sha256 is {card.onnx_sha256}, the graph has {found}")
    card_bytes = encode_card(card)
    check_sizes(card_bytes, onnx)
    return Artifact(card_bytes, onnx, signer.sign(card_bytes))


def save_artifact(artifact: Artifact, folder: Path, name: str = FILE_NAME) -> Path:
    """Write the three files into `folder` and return the path of the graph.

    Each file appears whole; the graph comes last, so that it is never seen without its card.
    """
    check_sizes(artifact.card_bytes, artifact.onnx)
    folder.mkdir(parents=True, exist_ok=True)
    onnx_path = folder / f"{name}.onnx"
    write_whole(_signature_path(onnx_path), artifact.signature.hex().encode() + b"\n")
    write_whole(_card_path(onnx_path), artifact.card_bytes)
    write_whole(onnx_path, artifact.onnx)
    return onnx_path


def load_artifact(path: Path) -> Artifact:
    """Return the artefact at `path`: the graph's file, or a folder that holds `model.onnx`.

    Raises ModelRefused naming the file that is missing, too large or not what it should be.
    """
    onnx_path = path / f"{FILE_NAME}.onnx" if path.is_dir() else path
    signature_path = _signature_path(onnx_path)
    onnx = _read(onnx_path, MODEL_BYTES_MAX)
    card = _read(_card_path(onnx_path), CARD_BYTES_MAX)
    text = _read(signature_path, 4 * SIGNATURE_BYTES)
    try:
        signature = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        raise ModelRefused(f"{signature_path} holds no signature in hex; sign it again") from None
    return Artifact(card, onnx, signature)


def check_sizes(card: bytes, onnx: bytes) -> None:
    """Raise ModelRefused if a card or a graph is larger than allowed."""
    for what, data, most in (("card", card, CARD_BYTES_MAX), ("graph", onnx, MODEL_BYTES_MAX)):
        if len(data) > most:
            raise ModelRefused(
                f"the {what} has {len(data)} bytes, at most {most}; train a smaller model"
            )


def _card_path(onnx_path: Path) -> Path:
    return onnx_path.with_name(onnx_path.name.removesuffix(".onnx") + ".card.json")


def _signature_path(onnx_path: Path) -> Path:
    return onnx_path.with_name(onnx_path.name.removesuffix(".onnx") + ".sig")


def _read(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise ModelRefused(
            f"{path} cannot be read: {error.strerror}; a model is three files side by side: "
            "<name>.onnx, <name>.card.json, <name>.sig"
        ) from None
    if len(data) > most:
        raise ModelRefused(f"{path} has more than {most} bytes, the most allowed")
    return data
