"""A policy behind HTTP, spoken to as the official client does (CustomModel of evaluate_policy_multiserver.py).

Official ReconVLA servers, or any that answers its protocol (see `policies.server`), are evaluated
unchanged. A try that fails is tried again; a server that keeps failing, or refuses for good, ends the evaluation with
its name. Servers of this machine are asked directly, whatever proxy the environment names.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import math
import re
import threading
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import requests
import urllib3

from benchmark.actions import relative_actions
from benchmark.embodiment import CALVIN, CHUNK_STEPS
from errors import InvalidInput, NoPolicyThere, PolicyServerError
from policies.base import Query, with_binary_gripper
from policies.registry import ABSOLUTE, RELATIVE
from settings.addresses import is_host, is_written
from settings.deadline import Deadline, in_thread
from settings.documents import parse_json
from settings.shown import cut, shown
from settings.timed_requests import TimedSession, is_plain_answer

logger = logging.getLogger("baton.policy")

#: As the official client: twenty tries, a second apart.
TRIES = 20
PAUSE_SECONDS = 1.0
#: The official client waits for ever.
TIMEOUT_SECONDS = 120.0
#: 128 tokens, the most that the official server generates, take a fifth of this.
_MOST_BYTES = 1 << 14
#: An action's numbers lie between -1 and 1, and a server may miss that; beyond this none is meant as one.
_LARGEST = 1000.0

_PATH = "/predict"

#: Statuses of an address that is no policy's: moved, none there, and none that is asked so.
_ELSEWHERE = frozenset({301, 302, 303, 307, 308, 404, 405, 410})

#: Statuses under 500 that pass by themselves: too slow, too early, too many; any other answers every try alike.
_PASSING = frozenset({408, 423, 425, 429})


class _Refused(PolicyServerError):
    """What the server said of this request, it will say of the same one again."""


class _Elsewhere(_Refused):
    """It has no policy at this address."""


class _NoAction(PolicyServerError):
    """The server answered well, with something that is no action."""


class RemotePolicy:
    """`chunk_steps`: actions executed per answer: 5, (official `--not_action_chunk`) 1, or as the server has it.

    As in the official client, longer answers are cut, and shorter ones filled up with zeros: no motion, and a closing
    gripper. `counts` tells how many were (`cut_answers`, `short_answers`), how many tries were made again (`retries`),
    and how many answers were no actions (`no_actions`): models that draw their answers may do better the next time.
    """

    needs_images = True

    def __init__(
        self,
        url: str,
        *,
        chunk_steps: int = CHUNK_STEPS,
        tries: int = TRIES,
        pause_seconds: float = PAUSE_SECONDS,
        timeout_seconds: float = TIMEOUT_SECONDS,
        actions: str = RELATIVE,
    ) -> None:
        """url: http://HOST:PORT, with or without the /predict that `serve` prints. actions: RELATIVE, or ABSOLUTE for
        poses. Raises InvalidInput for other addresses."""
        self._url, host = address_of(url)
        self._proxies = {"http": "", "https": ""} if _is_here(host) else None
        self._numbers = chunk_steps * CALVIN.action_size
        self._is_absolute = actions == ABSOLUTE
        self._told_cut = False
        self._tries = tries
        self._pause_seconds = pause_seconds
        self._timeout_seconds = timeout_seconds
        self.counts: Counter[str] = Counter()
        self._counting = threading.Lock()  # queries are asked in threads

    def act(self, queries: Sequence[Query]) -> list[np.ndarray]:
        """Raises PolicyServerError when a query still has no answer after all tries."""
        enough = threading.Event()
        try:
            answers = [in_thread(partial(self._act, query, enough), "policy") for query in queries]
            return [answer.result() for answer in answers]
        finally:
            enough.set()

    def _act(self, query: Query, enough: threading.Event) -> np.ndarray:
        """enough: set when nobody waits for the answer any more."""
        fault = ""
        for attempt in range(self._tries):
            if attempt:
                self._count("retries")
                if attempt == 1:
                    logger.warning("%s is asked again, as %s (%d tries)", self._url, fault, self._tries)
                if enough.wait(self._pause_seconds):
                    break
            try:
                numbers = self._ask(query)
            except _Elsewhere as error:
                raise NoPolicyThere(
                    f"there is no policy at {self._url}: {error}; the address of one is http://HOST:PORT, where it is "
                    f"asked at {_PATH}"
                ) from None
            except _Refused as error:
                raise PolicyServerError(
                    f"the policy server {self._url} refuses (sequence {query.sequence}, query {query.number}): {error}"
                ) from None
            except PolicyServerError as error:
                if isinstance(error, _NoAction):
                    self._count("no_actions")
                fault = str(error)
                continue
            return self._chunk(numbers, query)
        raise PolicyServerError(
            f"the policy server {self._url} gave no action in {self._tries} tries (sequence {query.sequence},"
            f" query {query.number}); the last time {fault}"
        )

    def _count(self, what: str) -> None:
        with self._counting:
            self.counts[what] += 1

    def _ask(self, query: Query) -> list[float]:
        """One try. Raises PolicyServerError saying what was wrong with it."""
        static, gripper = query.observation["rgb_static"], query.observation["rgb_gripper"]
        request = {"instruction": query.instruction, "robot_obs": query.observation["robot_obs"].tolist()}
        files: dict[str, Any] = {
            "json": json.dumps(request),
            "img_static": ("img_stat.txt", static.tobytes(), "text/plain"),
            "img_gripper": ("img_grip.txt", gripper.tobytes(), "text/plain"),
        }
        deadline = Deadline(self._timeout_seconds)
        try:
            status, place, content = deadline.result(partial(self._answer, files, deadline))
        except TimeoutError:
            raise PolicyServerError(_too_slow(self._timeout_seconds)) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OverflowError, ValueError) as error:
            # Also of http.client, for chunks of more bytes than can be counted, or of fewer than none.
            if is_plain_answer(error):
                raise _Refused("it speaks http://, and not https://") from None
            raise PolicyServerError(_in_words(error, self._timeout_seconds)) from None
        if status != 200:
            fault = _fault_of(status)
            moved = f", moved to {shown(place, 200)}" if place else ""
            raise fault(f"it answered with status {status}{moved}: {_shown(content)}")
        return _numbers(content)

    def _answer(self, files: dict[str, Any], deadline: Deadline) -> tuple[int, str | None, bytes]:
        """Status, where it sends to, and what it says, as it came over the line."""
        with (
            TimedSession(deadline) as session,
            session.post(
                self._url,
                files=files,
                headers={"Accept-Encoding": "identity"},
                timeout=self._timeout_seconds,
                stream=True,
                proxies=self._proxies,
                allow_redirects=False,  # a POST that is redirected arrives as a GET, without the pictures
            ) as answer,
        ):
            encoding = answer.headers.get("content-encoding", "identity")
            if encoding.lower() not in ("", "identity"):
                raise _Refused(f"it answered in {shown(encoding, 40)}, which it was not asked for")
            content = bytearray()
            while part := answer.raw.read(_MOST_BYTES, decode_content=False):
                content += part
                if len(content) > _MOST_BYTES:
                    raise PolicyServerError(f"its answer is longer than {_MOST_BYTES} bytes")
            return answer.status_code, answer.headers.get("location"), bytes(content)

    def _chunk(self, numbers: list[float], query: Query) -> np.ndarray:
        if len(numbers) > self._numbers:
            self._count("cut_answers")
            self._tell_cut(len(numbers))
        if len(numbers) < self._numbers:
            self._count("short_answers")
        given = numbers[: self._numbers]
        if self._is_absolute:
            given = _as_relative(given, query)
        given = given + [0.0] * (self._numbers - len(given))
        return with_binary_gripper(np.reshape(given, (-1, CALVIN.action_size)))

    def _tell_cut(self, numbers: int) -> None:
        with self._counting:
            told, self._told_cut = self._told_cut, True
        if not told:
            logger.warning(
                "%s answers with %d numbers, of which the first %d are carried out: chunk_steps says how many actions "
                "of 7 an answer has",
                self._url, numbers, self._numbers,
            )  # fmt: skip


def _as_relative(numbers: list[float], query: Query) -> list[float]:
    """Absolute poses as the relative actions that lead to them from where the controller's target is; what is beyond
    the last whole pose is no pose."""
    assert query.simulator is not None
    whole = len(numbers) // CALVIN.action_size * CALVIN.action_size
    poses = np.reshape(numbers[:whole], (-1, CALVIN.action_size))
    return [float(one) for one in relative_actions(query.simulator.target_pose(), poses).reshape(-1)]


def address_of(url: str) -> tuple[str, str]:
    """Where to post, and the host of it."""
    host_and_user = re.split(r"[/?#]", url.partition("//")[2], maxsplit=1)[0]
    if "@" in host_and_user:  # looked for in the text, as no other sentence may show it
        named = cut(host_and_user.rpartition("@")[2])
        raise InvalidInput(
            f"the address of the policy server {named} names a user, and addresses are kept and shown, in reports and "
            f"bundles too; leave it out, and put `machine {named.partition(':')[0]} login USER password ...` into "
            "~/.netrc where it is asked from"
        )
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:  # a port that is none, brackets that do not match
        host = None
    if (
        not host
        or parts.scheme not in ("http", "https")
        or not is_host(host)
        or not is_written(url)
        or parts.query
        or parts.fragment
    ):
        raise InvalidInput(
            f"{cut(url.rpartition('@')[2], 200)} is no address of a policy server; http://HOST:PORT is"
        )
    return url.rstrip("/").removesuffix(_PATH).rstrip("/") + _PATH, host


def _is_here(host: str) -> bool:
    """Whether a host is this machine by its name or address, which no proxy can reach for us."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def _fault_of(status: int) -> type[PolicyServerError]:
    if status in _ELSEWHERE:
        return _Elsewhere
    return _Refused if 300 <= status < 500 and status not in _PASSING else PolicyServerError


def _numbers(content: bytes) -> list[float]:
    try:
        answer = parse_json(content)
    except ValueError:
        raise _NoAction(f"it answered {_shown(content)}, which is no list of numbers") from None
    if _holds_rows(answer):
        raise _Refused(
            f"it answered {_shown(content)}; an action is one flat list of {CALVIN.action_size} numbers, and several "
            "follow each other in it"
        )
    # Texts and booleans would pass for numbers.
    if not isinstance(answer, list) or not answer or not all(type(one) in (int, float) for one in answer):
        raise _NoAction(f"it answered {_shown(content)}, which is no list of numbers")
    if not all(math.isfinite(number) for number in answer):
        raise _NoAction("it answered with numbers that are not finite")
    if max(map(abs, answer)) > _LARGEST:
        raise _NoAction(f"it answered with numbers beyond {_LARGEST:g}, which no action has")
    return [float(number) for number in answer]


def _holds_rows(answer: object) -> bool:
    """Whether it has lists within it: rows, or a named list. That is how a server answers, and no passing fault."""
    inner = answer.values() if isinstance(answer, dict) else answer if isinstance(answer, list) else ()
    return any(isinstance(one, list) for one in inner)


def _shown(content: bytes) -> str:
    return shown(content[:100].decode("utf-8", "replace"), 100)


def _too_slow(timeout_seconds: float) -> str:
    return f"it did not answer within {timeout_seconds:g} s"


def _in_words(error: Exception, timeout_seconds: float) -> str:
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return _too_slow(timeout_seconds)
    if isinstance(error, requests.exceptions.SSLError):
        return "there was no TLS connection; does it speak http://?"
    if isinstance(error, requests.ConnectionError | urllib3.exceptions.ProtocolError):
        return "there was no connection"
    return f"the request failed ({type(error).__name__})"
