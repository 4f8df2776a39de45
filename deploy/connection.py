"""One connection to a NATS server, for roles and commands alike."""

from streams.nats_bus import NatsBus

PATIENCE_S = 3.0


async def connect(url: str, name: str, timeout_s: float = PATIENCE_S) -> NatsBus:
    """Return a bus over the server at `url`; raises BrokerError when it cannot be reached."""
    return await NatsBus.connect(url, name=name, timeout_s=timeout_s)
