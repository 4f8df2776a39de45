"""The error tree.

    AssayError
    ├── ConfigError        a configuration value is wrong; names the path and what is allowed
    ├── DataError          bars or samples cannot be used; names file, row and column
    ├── WireError          a payload cannot be honoured; carries a short `reason`
    ├── BusError           the bus did not do what was asked
    │   ├── BrokerError    the NATS server cannot be found, started or trusted
    │   └── ConflictError  a compare-and-set lost: somebody else wrote first
    ├── MarkError          an engine's marks cannot be kept
    └── ModelError         a model cannot be trained, stored or loaded
        └── ModelRefused   a model does not verify; the old one stays in force

Every message says what, the value, what is allowed, and what to do; the password of a URL in it,
or the token that stands before the @ of a NATS server, is shown as ***.
"""

import re

_PASSWORD = re.compile(r"(?P<user>://[^\s:/@'\"]*):[^\s'\"]+@")
_IN_QUERY = re.compile(r"(?P<key>[?&]password=)[^\s&'\"]+")
# A database's user@host is no secret; what a NATS server is told by one name alone is a token.
_NATS_SERVERS = re.compile(r"\b(?:nats|tls|wss?)://(?:[^\s'\"]|(?<=,)\s+|\s+(?=,))+", re.IGNORECASE)
_TOKEN = re.compile(r"(?P<before>://|,\s*)[^:,\s]+@")


def without_passwords(text: str) -> str:
    """Return `text` with the password, or the NATS token, of every URL in it masked.

    >>> without_passwords("db_pth was 'postgresql://ann:secret@host/assay'")
    "db_pth was 'postgresql://ann:***@host/assay'"
    >>> without_passwords("no server answers at nats://t0ken@one:4222,t0ken@two:4222")
    'no server answers at nats://***@one:4222,***@two:4222'
    """
    masked = _IN_QUERY.sub(r"\g<key>***", _PASSWORD.sub(r"\g<user>:***@", text))
    return _NATS_SERVERS.sub(_without_tokens, masked)


def _without_tokens(servers: re.Match[str]) -> str:
    return _TOKEN.sub(r"\g<before>***@", servers[0])


class AssayError(Exception):
    """Root of every error Assay raises on purpose."""

    def __str__(self) -> str:
        """Return the message, without what is not for a log."""
        return without_passwords(super().__str__())


class ConfigError(AssayError):
    """A configuration value is wrong."""


class DataError(AssayError):
    """Bars or samples cannot be used."""


class WireError(AssayError):
    """A payload cannot be honoured.

    `reason` is the short machine word that travels in the `error` header of the dead-letter
    queue and, after `invalid:`, in the `reasons` of a rejected answer.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class BusError(AssayError):
    """The bus did not do what was asked."""


class BrokerError(BusError):
    """The NATS server cannot be found, started or trusted."""


class ConflictError(BusError):
    """A compare-and-set lost: the key holds another revision than the one expected."""


class MarkError(AssayError):
    """An engine's marks cannot be read or written, or are held by another process."""


class ModelError(AssayError):
    """A model cannot be trained, stored or loaded."""


class ModelRefused(ModelError):
    """A model does not verify: digest, signature, features or golden rows."""
