"""Writing down what people do: an `audit` event behind everything that changes something."""

from streams import codec, subjects
from streams.bus import Bus
from streams.events import Audit

_SUFFIX = ":audit"


async def record(bus: Bus, audit: Audit, of_id: str) -> None:
    """Publish `audit` under the id of what was done; recording it again changes nothing."""
    await bus.publish(subjects.audit(audit.strategy), codec.encode(audit), msg_id=audit_id(of_id))


def audit_id(of_id: str) -> str:
    """Return the message id of the audit of what was published under `of_id`."""
    return f"{of_id}{_SUFFIX}"


def audited_id(message_id: str) -> str:
    """Return the id of what the audit under `message_id` is of."""
    return message_id.removesuffix(_SUFFIX)
