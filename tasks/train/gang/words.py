"""What ranks and the attempt that started them say to each other: JSON lines on two pipes.

Every rank writes to one pipe, whose writes are whole below PIPE_BUF; the first rank writes what is longer in pieces.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import errors
from errors import ArtifactDamaged, BatonError, RanksLost
from settings.json_values import Json, JsonObject, section
from tasks.context import Note, Point

#: What the attempt asks for: the most of them is done at the end of a step.
GO_ON, CHECKPOINT, STOP = 0, 1, 2

#: Stages of the ranks: until all have met; then what the first one tells. Steps have a bound that follows from those
#: before.
STARTING = "starting"
LOADING, STEPPING, MEASURING, SAVING, ENDING = "loading", "stepping", "measuring", "saving", "ending"
#: In place of a rank's number: what starts them.
LAUNCHER = -1

#: No line of ranks is as long; what is, a library printed.
_LONGEST_LINE = 1 << 20
#: Bytes of a sentence, so that a line is shorter than PIPE_BUF (4096) with everything in it escaped.
_LONGEST_TEXT = 1500
_POINTS_AT_ONCE = 24
#: In what torch says where another rank is gone.
_OF_OTHERS = ("gloo", "Gloo", "NCCL", "Connection closed by peer", "Connection reset by peer")


@dataclass(frozen=True)
class Line:
    """What was said: a word, and what belongs to it."""

    word: str
    values: JsonObject

    def number(self, name: str) -> float:
        return float(self.text(name))

    def whole(self, name: str) -> int:
        return int(self.text(name))

    def text(self, name: str) -> str:
        return str(self.values[name])

    @property
    def follows(self) -> bool:
        """Of an error: whether another rank's end may be why."""
        return self.values.get("follows") is True

    @property
    def points(self) -> list[Point]:
        return [
            Point(str(name), int(step), float(value)) for name, step, value in _lists(self.values["points"])
        ]

    @property
    def losses(self) -> dict[str, float]:
        return {name: float(str(value)) for name, value in section(self.values, "losses").items()}

    @property
    def exits(self) -> dict[str, int]:
        """Of ranks, by number."""
        return {rank: int(str(code)) for rank, code in section(self.values, "exits").items()}

    @property
    def note(self) -> Note:
        return Note(self.text("kind"), self.text("message"), dict(section(self.values, "data")))


def _lists(value: object) -> list[list[str]]:
    assert isinstance(value, list)
    return [[str(part) for part in entry] for entry in value]


class Teller:
    """Writes lines to the attempt's pipe."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def say(self, word: str, **values: Json) -> None:
        line = (
            json.dumps({"word": word, **values}, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
        )
        while line:
            line = line[os.write(self._descriptor, line) :]

    def points(self, points: Sequence[Point]) -> None:
        for first in range(0, len(points), _POINTS_AT_ONCE):
            some = points[first : first + _POINTS_AT_ONCE]
            self.say("points", points=[[point.name, point.step, point.value] for point in some])

    def notes(self, notes: Sequence[Note]) -> None:
        for note in notes:
            figures = {
                name: value for name, value in note.data.items() if isinstance(value, (int, float, str))
            }
            self.say("note", kind=note.kind, message=_cut(note.message), data=figures)

    def failed(self, rank: int, error: BaseException) -> None:
        self.say("failed", **failure(rank, error))

    def launch_failed(self, error: Exception) -> None:
        """Of what starts the ranks; what its libraries raise follows from what happened elsewhere, maybe."""
        told = failure(LAUNCHER, error)
        own = isinstance(error, (BatonError, MemoryError)) or told["errno"] is not None
        self.say("failed", **{**told, "follows": not own})


def failure(rank: int | None, error: BaseException) -> dict[str, Json]:
    """Of an error, what `error_in` makes one of again. rank: None where it was met beside the ranks."""
    number, text, path = None, str(error), None
    if isinstance(error, OSError) and error.errno is not None:
        number, text = error.errno, str(error.strerror)
        path = None if error.filename is None else _cut(_name_of(error.filename))
    elif isinstance(error, ArtifactDamaged):
        path = error.path
    kind, text = type(error).__name__, _cut(text)
    return {
        "rank": rank,
        "kind": kind,
        "text": text,
        "errno": number,
        "path": path,
        "follows": _follows(error),
    }


def _name_of(file: str | bytes | int) -> str:
    return str(file) if isinstance(file, int) else os.fsdecode(file)


def lines_of(buffer: bytearray) -> Iterator[Line]:
    """Whole lines at the beginning of `buffer`, which are taken out of it. What is no JSON object is left out: a
    library may write there, and lines without an end."""
    while (end := buffer.find(b"\n")) >= 0:
        line = bytes(buffer[:end])
        del buffer[: end + 1]
        try:
            values = json.loads(line)
        except ValueError:
            continue
        if isinstance(values, dict) and "word" in values:
            yield Line(str(values["word"]), values)
    if len(buffer) > _LONGEST_LINE:
        buffer[:] = b"?"  # whatever its rest is, no JSON


def _follows(error: BaseException) -> bool:
    """Whether another rank's end may be why: torch has no type of its own for what gloo says of a closed connection."""
    is_torch = isinstance(error, RuntimeError)
    return is_torch and (type(error).__name__.startswith("Dist") or any(w in str(error) for w in _OF_OTHERS))


def _cut(text: str) -> str:
    return text.encode(errors="replace")[:_LONGEST_TEXT].decode(errors="ignore")


def error_in(line: Line) -> Exception:
    """What a rank raised, as the attempt raises it: Baton's own errors, the machine's and memory's as what they are."""
    who = "the launcher of the ranks" if line.text("rank") == str(LAUNCHER) else f"rank {line.text('rank')}"
    kind, text, number = line.text("kind"), line.text("text"), line.values["errno"]
    known = getattr(errors, kind, None)
    if kind == "ArtifactDamaged":
        return ArtifactDamaged(text, line.text("path"))
    if isinstance(known, type) and issubclass(known, BatonError):
        return known(text)
    if isinstance(number, int):
        place = line.values.get("path")
        return OSError(number, text, *([] if place is None else [place]))
    if kind in ("MemoryError", "OutOfMemoryError") or "can't allocate memory" in text:
        return MemoryError(f"{who}: {text}")
    if line.follows:
        return RanksLost(f"{who} lost the others: {kind}: {text}")
    return RuntimeError(f"{who}: {kind}: {text}")
