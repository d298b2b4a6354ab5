"""Policy servers for tests, each in a thread of this process: ours, and ones that misbehave."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tornado.netutil import bind_sockets

from policies.server import BOUNDS, Predict, application
from settings.bounded_server import BoundedServer, Bounds


@contextmanager
def serving(predict: Predict, bounds: Bounds = BOUNDS) -> Iterator[str]:
    """The address of our server, answering with `predict`."""
    ready: list[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = []
    begun = threading.Event()

    async def main() -> None:
        sockets = bind_sockets(0, "127.0.0.1")
        BoundedServer(application(predict), bounds).add_sockets(sockets)
        stop = asyncio.Event()
        ready.append((f"http://127.0.0.1:{sockets[0].getsockname()[1]}", asyncio.get_running_loop(), stop))
        begun.set()
        await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    begun.wait()
    url, loop, stop = ready[0]
    try:
        yield url
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


@contextmanager
def raw_server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that reads a request and then does what `answer` does with the connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def handle(connection: socket.socket) -> None:
        with connection:
            connection.settimeout(10)
            received = b""
            while b"\r\n\r\n" not in received:
                part = connection.recv(65536)
                if not part:  # the client left
                    return
                received += part
            head, _, body = received.partition(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length")
            )
            while len(body) < length:
                body += connection.recv(65536)
            try:
                answer(connection)
            except OSError:  # the client left
                return

    def accept() -> None:
        while not done.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=handle, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        done.set()
        listener.close()


def body(content: bytes, status: str = "200 OK") -> Callable[[socket.socket], None]:
    """Answers with `content`."""

    def answer(connection: socket.socket) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        connection.sendall(head.encode() + b"Connection: close\r\n\r\n" + content)

    return answer
