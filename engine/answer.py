"""What a core says: an event for a subject, before the shell gives it an id and bytes."""

from typing import NamedTuple

from streams.events import Event

HEADER_ROLE = "Assay-Role"
"""Every answer carries the role that gave it."""


class Answer(NamedTuple):
    """One event to publish.

    `event` is the event, or the raw bytes of a payload that could not be honoured; `error` is
    then why. A dead letter of a whole message carries the very event that was taken in: the
    shell sends the message's own bytes, on its own subject. `identity` names the answer where its
    input's position does not: an outcome is the same outcome in whatever order bars and answers
    reached the labeller. `row` is which row of the message's frame it answers, 0 of any other.
    """

    subject: str
    event: Event | bytes
    error: str = ""
    identity: str = ""
    row: int = 0
