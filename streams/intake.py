"""What a stored message carries: an event of the contract, or why it is none."""

from streams import codec
from streams.bus import Message
from streams.errors import WireError
from streams.events import Event
from streams.validation import check_arrival, check_subject


def event_of(message: Message) -> Event | WireError:
    """Return the event that a message of a stream carries, or why it carries none."""
    try:
        event: Event = codec.decode(message.payload)
        check_subject(message.subject, event)
        check_arrival(event, message.time_ns)
    except WireError as error:
        return error
    return event
