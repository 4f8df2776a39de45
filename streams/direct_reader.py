"""Takes the messages of listeners out of what a connection received, in one pass.

nats-py copies everything into one buffer, tries seven patterns at each command and awaits each
message: most of what a message costs. Here a message is cut out of the bytes as they came.
"""

from collections.abc import Callable, Mapping

Handler = Callable[[bytes, bytes, bytes, bytes], None]
"""Takes subject, reply subject, payload and header block; it does not wait for anything."""

LINE_BYTES_MAX = 8192
_END = b"\r\n"


class DirectReader:
    """Hands messages to `handlers`, by subscription id; `failed` is told what a handler raises.

    It knows lines as a server writes them: fields with one space between. Whatever else comes is
    given back.
    """

    def __init__(
        self, handlers: Mapping[bytes, Handler], failed: Callable[[Exception], None]
    ) -> None:
        self._handlers = handlers
        self._failed = failed
        self._held = bytearray()
        self._whole = 0

    def take(self, data: bytes) -> bytes:
        """Hand over the messages in `data`; return all that follows the last that is a listener's.

        The beginning of a message is held until the rest of it comes.
        """
        if self._held:
            self._held += data
            if len(self._held) < self._whole:
                return b""
            data = bytes(self._held)
            self._held.clear()
        start, end = 0, len(data)
        handlers = self._handlers
        while start < end:
            line_end = data.find(_END, start)
            if line_end < 0:
                return self._line_begun(data[start:])
            fields = data[start:line_end].split(b" ")
            kind, count = fields[0], len(fields)
            if kind == b"MSG" and 4 <= count <= 5:
                has_reply, header_size = count == 5, b"0"
            elif kind == b"HMSG" and 5 <= count <= 6:
                has_reply, header_size = count == 6, fields[-2]
            else:
                return data[start:]
            handler, size = handlers.get(fields[2]), fields[-1]
            if handler is None or not size.isdigit() or not header_size.isdigit():
                return data[start:]
            begin = line_end + 2
            stop = begin + int(size)
            if stop + 2 > end:
                self._held += data[start:]
                self._whole = stop + 2 - start
                return b""
            middle = begin + int(header_size)
            try:
                handler(
                    fields[1],
                    fields[3] if has_reply else b"",
                    data[middle:stop],
                    data[begin:middle],
                )
            except Exception as error:
                # As for a subscription's own task: an error here must not stop the reading.
                self._failed(error)
            start = stop + 2
        return b""

    def _line_begun(self, part: bytes) -> bytes:
        """Hold a line without its end if it can become a message's."""
        is_message = any(
            part.startswith(kind) or kind.startswith(part) for kind in (b"MSG ", b"HMSG ")
        )
        if not is_message or len(part) > LINE_BYTES_MAX:
            return part
        self._held += part
        self._whole = len(part) + 1
        return b""
