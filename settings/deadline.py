"""One deadline on the whole of a question over HTTP: names, connections, status line, headers, body and trailers.

The time limits of sockets are for one read each, so that a server which sends a byte now and then is waited for without
end.
"""

from __future__ import annotations

import http.client
import io
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from functools import partial
from typing import Any, TypeVar

Result = TypeVar("Result")
Connection = TypeVar("Connection", bound=http.client.HTTPConnection)

#: Bytes a second; what is slower counts as no answer.
LEAST_PACE = 1 << 15
_LOOK_SECONDS = 1.0


class Deadline:
    """So many seconds from now on."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def passed(self) -> bool:
        return time.monotonic() >= self._end

    @property
    def left(self) -> float:
        """Seconds. Raises TimeoutError once there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise self.error()
        return left

    def error(self) -> TimeoutError:
        return TimeoutError(f"no whole answer within {self.seconds:g} s")

    def response_class(self) -> Callable[..., http.client.HTTPResponse]:
        """What a connection of `http.client`, or urllib3's, makes answers with: their reading raises TimeoutError when
        the deadline passes."""
        return partial(_TimedResponse, deadline=self)

    def connection(self, kind: type[Connection]) -> Callable[..., Connection]:
        """A maker of such connections, as `urllib.request.AbstractHTTPHandler.do_open` takes it."""

        def make(*arguments: Any, **options: Any) -> Connection:
            made = kind(*arguments, **options)
            made.response_class = self.response_class()  # type: ignore[assignment]
            return made

        return make

    def result(self, call: Callable[[], Result]) -> Result:
        """What `call` returns or raises. Raises TimeoutError when the deadline passes first; its thread, which may be
        looking up a name, then ends by itself later, and keeps no process alive."""
        answer = in_thread(call)
        if not wait([answer], self.left).done:
            raise self.error()
        return answer.result()


def result_at_pace(
    call: Callable[[], Result], seconds: float, moved: Callable[[], int], pace: int = LEAST_PACE
) -> Result:
    """What `call` returns or raises. Raises TimeoutError where it takes longer than `seconds` and what the bytes that
    it has `moved` take at `pace` bytes a second. Its thread then keeps no process alive."""
    began = time.monotonic()
    answer = in_thread(call)
    while not wait([answer], min(_LOOK_SECONDS, seconds)).done:
        bytes_moved = moved()
        if time.monotonic() - began > seconds + bytes_moved / pace:
            raise TimeoutError(f"no whole answer within {seconds:g} s and the time of {bytes_moved} bytes")
    return answer.result()


def in_thread(call: Callable[[], Result], name: str = "ask") -> Future[Result]:
    """What `call` will return, in a thread that the interpreter does not wait for."""
    result: Future[Result] = Future()

    def work() -> None:
        try:
            result.set_result(call())
        except BaseException as error:  # raised where the result is asked for
            result.set_exception(error)

    threading.Thread(target=work, name=name, daemon=True).start()
    return result


class _TimedResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *arguments: Any, deadline: Deadline, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp = io.BufferedReader(_TimedReader(sock, self.fp, deadline))


class _TimedReader(io.RawIOBase):
    """Reads a socket, each time for no longer than it waits anyway, and than is left. inner: the file that keeps the
    socket open."""

    def __init__(self, sock: socket.socket, inner: io.BufferedIOBase, deadline: Deadline) -> None:
        self._sock, self._inner, self._deadline = sock, inner, deadline
        self._wait_seconds = sock.gettimeout() or deadline.seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(min(self._wait_seconds, self._deadline.left))
        try:
            return self._sock.recv_into(buffer)
        except TimeoutError:
            if self._deadline.passed:
                raise self._deadline.error() from None
            raise

    def close(self) -> None:
        self._inner.close()
        super().close()
