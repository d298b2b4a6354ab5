"""Answering Prometheus: the figures of a registry, computed for one scrape at a time."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from tornado.netutil import bind_sockets

from settings.bounded_server import BoundedServer, Bounds, SentenceHandler, application, own_names
from settings.deadline import in_thread

#: Prometheus asks every few seconds and gives up after ten.
BOUNDS = Bounds(body_bytes=1 << 10, connections=32, request_seconds=10.0, connection_seconds=60.0)


class MetricsServer:
    """Answers http://ADDRESS:PORT/metrics, from a thread of its own, within the context. `port`: where it listens."""

    def __init__(self, registry: CollectorRegistry, address: str, port: int, bounds: Bounds = BOUNDS) -> None:
        self._sockets = bind_sockets(port, address)
        self.port: int = self._sockets[0].getsockname()[1]
        self._registry, self._address, self._bounds = registry, address, bounds
        self._listens = threading.Event()

    def __enter__(self) -> MetricsServer:
        self._ended = in_thread(lambda: asyncio.run(self._serve()), "metrics")
        self._ended.add_done_callback(lambda _: self._listens.set())
        self._listens.wait()
        if self._ended.done():
            self._ended.result()  # raises why it does not listen
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._ended.result()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        with ThreadPoolExecutor(1) as one_scrape:
            handled = {"registry": self._registry, "executor": one_scrape}
            server = BoundedServer(
                application((r"/(?:metrics)?", _Figures, handled)),
                self._bounds,
                own_names("metrics", self._address),
            )
            server.add_sockets(self._sockets)
            self._listens.set()
            await self._stop.wait()
            server.stop()
            await server.close_all_connections()


class _Figures(SentenceHandler):
    def initialize(self, registry: CollectorRegistry, executor: ThreadPoolExecutor) -> None:
        self._registry, self._executor = registry, executor

    async def get(self) -> None:
        encode, kind = choose_encoder(self.request.headers.get("Accept", ""))
        figures = await asyncio.get_running_loop().run_in_executor(self._executor, encode, self._registry)
        self.set_header("Content-Type", kind)
        self.finish(figures)
