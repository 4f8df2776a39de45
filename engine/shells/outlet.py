"""Where a role's shell puts what it says, when that is not the bus itself."""

from collections.abc import Mapping
from typing import Protocol


class Outlet(Protocol):
    """Takes answers, watermarks and expiries in the order in which they are said."""

    @property
    def is_settled(self) -> bool:
        """Whether nothing that was taken is kept back.

        A state of the core that is saved before that would forget what is still to be published.
        """
        ...

    async def send(
        self,
        subject: str,
        payload: bytes,
        *,
        msg_id: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Take one message, as `Bus.send` does; wait while there is no room for it."""
        ...
