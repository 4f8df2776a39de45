"""Whose models may speak in a run: this machine's trainer, and the signers that are configured.

The private key stays with the trainer; its public half lies beside it, for the scorers to read.
"""

from collections.abc import Iterable
from pathlib import Path

from deploy.config import RunSettings
from deploy.state import StateDir
from models.signing import SigningKey, load_or_create_signing_key
from streams.errors import ConfigError

PUBLIC_FILE = "signing.pub"


def ensure_signing_key(state: StateDir) -> SigningKey:
    """Return the signing key of the state directory, made on first use, and publish its half."""
    key = load_or_create_signing_key(state.keys)
    public = _public_file(state)
    partial = public.with_suffix(".partial")
    partial.write_text(key.public_hex + "\n", encoding="ascii")
    partial.replace(public)
    return key


def known_keys(state: StateDir, configured: Iterable[str]) -> tuple[str, ...]:
    """Return the key of the state directory, where it has one, and those that are configured."""
    public = _public_file(state)
    own = (public.read_text(encoding="ascii").strip(),) if public.is_file() else ()
    return (*own, *configured)


def trusted_keys(state: StateDir, settings: RunSettings) -> tuple[str, ...]:
    """Return the hex public keys whose models a scorer of this run lets speak.

    Raises ConfigError when there is none.
    """
    public = _public_file(state)
    keys = known_keys(state, settings.trusted_keys)
    if not keys:
        raise ConfigError(
            f"no signer is trusted: there is no {public} and trusted_keys is empty; start the "
            "roles with assay up, or set trusted_keys to the trainer's public key"
        )
    return keys


def _public_file(state: StateDir) -> Path:
    return state.keys / PUBLIC_FILE
