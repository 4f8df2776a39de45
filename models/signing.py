"""Who vouches for a model: Ed25519 signatures over cards.

The trainer's signing key is a file that only its owner may read. A scorer holds no secret: it is
told the hex public keys whose models may speak.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import nacl.exceptions
import nacl.signing

from streams.errors import ModelError, ModelRefused

KEY_FILE = "signing.key"
KEY_BYTES = 32
SIGNATURE_BYTES = 64
_OTHERS = 0o077

# A signature made for a card can never be passed off as one over anything else.
_PURPOSE = b"assay model card v1\n"


class SigningKey:
    """An Ed25519 private key. Its secret appears in no repr, message or log."""

    def __init__(self, seed: bytes) -> None:
        self._key = nacl.signing.SigningKey(seed)
        self.public_hex: str = bytes(self._key.verify_key).hex()

    def __repr__(self) -> str:
        return f"SigningKey(public {self.public_hex})"

    def sign(self, card: bytes) -> bytes:
        """Return the 64 bytes of the signature over a card's bytes; the same every time."""
        return bytes(self._key.sign(_PURPOSE + card).signature)


def load_or_create_signing_key(folder: Path) -> SigningKey:
    """Return the key in `folder`, made on first use with mode 0600.

    Several processes may call this at once: they get the same key. Raises ModelError if the
    file is no key, or others may read it.
    """
    path = folder / KEY_FILE
    if not path.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_new(path, bytes(nacl.signing.SigningKey.generate()).hex() + "\n")
    return load_signing_key(path)


def load_signing_key(path: Path) -> SigningKey:
    """Return the key in the file `path`; raises ModelError as above."""
    try:
        mode = path.stat().st_mode & 0o777
        text = path.read_text(encoding="ascii", errors="replace").strip()
    except OSError as error:
        raise ModelError(f"the signing key {path} cannot be read: {error.strerror}") from None
    if os.name == "posix" and mode & _OTHERS:
        raise ModelError(
            f"the signing key {path} has mode {mode:04o}, others may read it; run: chmod 600 {path}"
        )
    seed = _from_hex(text)
    if seed is None:
        raise ModelError(
            f"{path} is not a signing key ({2 * KEY_BYTES} hex digits); restore it, or delete "
            "it to have a new one made, whose public key scorers must then be told"
        )
    return SigningKey(seed)


def verify(card: bytes, signature: bytes, trusted_keys: Iterable[str]) -> str:
    """Return the trusted hex public key that signed `card`.

    Raises ModelRefused if none of `trusted_keys` did, and ModelError if one is not a key.
    """
    keys = tuple(trusted_keys)
    if len(signature) != SIGNATURE_BYTES:
        raise ModelRefused(
            f"the signature has {len(signature)} bytes, an Ed25519 signature has "
            f"{SIGNATURE_BYTES}; fetch the model again"
        )
    for key in keys:
        public = _from_hex(key)
        if public is None:
            raise ModelError(
                f"a trusted key is {2 * KEY_BYTES} hex digits, was {key!r}; mend the configuration"
            )
        with contextlib.suppress(nacl.exceptions.CryptoError, ValueError):
            nacl.signing.VerifyKey(public).verify(_PURPOSE + card, signature)
            return key
    known = ", ".join(f"{key[:12]}…" for key in keys) or "none"
    raise ModelRefused(
        f"the card is not signed by a trusted key (trusted: {known}); sign it with one of them, "
        "or trust its signer's public key"
    )


def _from_hex(text: str) -> bytes | None:
    try:
        data = bytes.fromhex(text)
    except ValueError:
        return None
    return data if len(data) == KEY_BYTES and len(text) == 2 * KEY_BYTES else None


def _write_new(path: Path, text: str) -> None:
    """Write a file that appears whole, private, and only if nobody made it first."""
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(partial, path)
    finally:
        Path(partial).unlink()
