"""The small HTTP server beside a role: `/metrics`, `/livez`, `/readyz`.

It runs in a thread with a loop of its own, so that it can say that the role's loop hangs; the
figures are collected in the role's loop, between two of its turns, and written in the thread.
One request a connection; what is longer, slower or more than the limits is turned away.
"""

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import NamedTuple

from deploy.metrics.exposition import Exposition
from deploy.metrics.health import Health
from engine.shells.reading import Reading
from streams.errors import ConfigError

REQUEST_BYTES_MAX = 8_192
REQUEST_TIMEOUT_S = 5.0
RESPONSE_TIMEOUT_S = 10.0
COLLECT_TIMEOUT_S = 5.0
CONNECTIONS_MAX = 16
STOP_TIMEOUT_S = 5.0
METHODS = ("GET", "HEAD")
TEXT = "text/plain; charset=utf-8"

Collect = Callable[[], Awaitable[Sequence[Reading]]]

log = logging.getLogger("assay.metrics")


class Response(NamedTuple):
    """An answer to a request; `allow` names the methods where another was used."""

    status: HTTPStatus
    body: bytes
    content_type: str = TEXT
    allow: str = ""


class MetricsServer:
    """Serves the figures of one role, as a context manager within the role's loop.

    `collect` is awaited in that loop. Raises ConfigError where the port cannot be had; port 0 is
    any free one.
    """

    def __init__(
        self, host: str, port: int, health: Health, exposition: Exposition, collect: Collect
    ) -> None:
        self._health = health
        self._exposition = exposition
        self._collect = collect
        self._role_loop = asyncio.get_running_loop()
        self._socket = _listening(host, port)
        self._host = host
        self.port = int(self._socket.getsockname()[1])
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
        self._open = 0
        self._collecting = asyncio.Lock()

    @property
    def url(self) -> str:
        """Where the figures are read."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}/metrics"

    def __enter__(self) -> "MetricsServer":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(STOP_TIMEOUT_S)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(
            self._on_connection, sock=self._socket, limit=REQUEST_BYTES_MAX
        )
        async with server:
            await self._stop.wait()

    async def _on_connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._open += 1
        try:
            if self._open <= CONNECTIONS_MAX:
                await self._converse(reader, writer)
        except (OSError, TimeoutError):
            # Whoever asked has gone, or does not read.
            writer.transport.abort()
        finally:
            self._open -= 1
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method = ""
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                head = await reader.readuntil(b"\r\n\r\n")
            method, path, accept = _understood(head)
            response = await self._answer(method, path, accept)
        except asyncio.IncompleteReadError:
            return
        except TimeoutError:
            response = _said(HTTPStatus.REQUEST_TIMEOUT)
        except asyncio.LimitOverrunError:
            response = _said(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        except ValueError:
            response = _said(HTTPStatus.BAD_REQUEST)
        async with asyncio.timeout(RESPONSE_TIMEOUT_S):
            writer.write(_written(response, with_body=method != "HEAD"))
            await writer.drain()

    async def _answer(self, method: str, path: str, accept: str) -> Response:
        if path not in ("/metrics", "/livez", "/readyz"):
            return _said(HTTPStatus.NOT_FOUND)
        if method not in METHODS:
            return _said(HTTPStatus.METHOD_NOT_ALLOWED)._replace(allow=", ".join(METHODS))
        if path == "/metrics":
            return await self._metrics(accept)
        why = self._health.why_not_live() if path == "/livez" else self._health.why_not_ready()
        status = HTTPStatus.SERVICE_UNAVAILABLE if why else HTTPStatus.OK
        return Response(status, f"{why or 'ok'}\n".encode())

    async def _metrics(self, accept: str) -> Response:
        try:
            # Whoever waits for another's turn waits no longer for it: a role that hangs must not
            # keep every connection, /livez has to be answered.
            async with asyncio.timeout(COLLECT_TIMEOUT_S), self._collecting:
                collecting = asyncio.run_coroutine_threadsafe(self._collected(), self._role_loop)
                readings = await asyncio.wrap_future(collecting)
            body, content_type = self._exposition.text(readings, accept)
        except TimeoutError:
            why = b"the role does not answer\n"
            return Response(HTTPStatus.SERVICE_UNAVAILABLE, why)
        except Exception:
            # A defect in a figure is not the role's end.
            log.exception("the figures cannot be told")
            return _said(HTTPStatus.INTERNAL_SERVER_ERROR)
        return Response(HTTPStatus.OK, body, content_type)

    async def _collected(self) -> Sequence[Reading]:
        return await self._collect()


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"--metrics-port {port} on {host} cannot be listened on: {error}; choose another, or "
            "0 for a free one"
        ) from None


def _understood(head: bytes) -> tuple[str, str, str]:
    """Return method, path and Accept header of a request; raises ValueError where it is none."""
    line, *headers = head.decode("ascii").split("\r\n")
    method, target, version = line.split(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError(version)
    accept = ""
    for header in headers:
        name, _, value = header.partition(":")
        if name.strip().lower() == "accept":
            accept = value.strip()
    return method, target.partition("?")[0], accept


def _said(status: HTTPStatus) -> Response:
    return Response(status, f"{status.value} {status.phrase}\n".encode())


def _written(response: Response, *, with_body: bool) -> bytes:
    status = response.status
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Content-Type: {response.content_type}",
        f"Content-Length: {len(response.body)}",
        "Cache-Control: no-store",
        "Connection: close",
    ]
    if response.allow:
        lines.append(f"Allow: {response.allow}")
    head = "\r\n".join((*lines, "", "")).encode()
    return head + response.body if with_body else head
