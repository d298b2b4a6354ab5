"""Results that cost hours: a torn line, a full disk and a second command cost none of them."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from errors import InvalidInput
from tasks.evaluate.results_file import ResultsFile

ABOUT = {"policy": "p", "spec": {"sequences": 3}}


def entry(sequence: int) -> dict[str, Any]:
    return {"sequence": sequence, "done": 0, "steps": 7, "tasks": ["open_drawer"], "actions": []}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()[1:]]


def begun(path: Path, *sequences: int) -> None:
    file = ResultsFile(path, ABOUT)
    for sequence in sequences:
        file.add(entry(sequence))


def test_it_goes_on_where_it_ended(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "results.jsonl"
    begun(path, 0, 2)
    again = ResultsFile(path, ABOUT)
    assert again.entries == [entry(0), entry(2)]
    again.add(entry(1))
    assert lines(path) == [entry(0), entry(2), entry(1)]


def test_a_torn_line_is_dropped_and_the_file_is_never_without_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "results.jsonl"
    begun(path, 0, 1)
    torn = path.read_bytes() + b'{"sequence": 2, "do'
    path.write_bytes(torn)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            ResultsFile(path, ABOUT)
    assert path.read_bytes() == torn
    again = ResultsFile(path, ABOUT)
    again.add(entry(2))
    assert lines(path) == [entry(0), entry(1), entry(2)]
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_one_that_was_killed_before_its_first_line_begins_again(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.touch()
    begun(path, 0)
    assert ResultsFile(path, ABOUT).entries == [entry(0)]


def test_two_commands_do_not_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    first = ResultsFile(path, ABOUT)
    first.add(entry(0))
    with pytest.raises(InvalidInput, match="another command is writing"):
        ResultsFile(path, ABOUT)
    first.add(entry(1))
    assert lines(path) == [entry(0), entry(1)]


def test_a_full_disk_keeps_no_part_of_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "results.jsonl"
    file = ResultsFile(path, ABOUT)
    file.add(entry(0))
    before = path.read_bytes()
    write = os.write
    kept = iter([5, 4])

    def full(descriptor: int, content: bytes) -> int:
        """Five bytes, four more, and no more."""
        if (length := next(kept, None)) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, content[:length])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left"):
            file.add(entry(1))
    assert path.read_bytes() == before and file.entries == [entry(0)]


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"a letter", b"{}\n", b'{"evaluation": 3}\n'])
def test_somebody_elses_file_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "letter"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match="does not hold results"):
        ResultsFile(path, ABOUT)
    assert path.read_bytes() == content


def test_a_device_is_written_to_and_nothing_else() -> None:
    """It has no disk, no end, and no name that a file may take."""
    before = Path("/dev/null").stat()
    file = ResultsFile(Path("/dev/null"), ABOUT)
    file.add(entry(0))
    assert file.entries == [entry(0)]
    assert os.path.samestat(before, Path("/dev/null").stat())
    with pytest.raises(OSError, match="No space left"):
        ResultsFile(Path("/dev/full"), ABOUT)


def test_a_pipe_gets_the_results_as_they_come(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    file = ResultsFile(pipe, ABOUT)
    file.add(entry(3))
    got = os.read(reader, 4096).decode().splitlines()
    os.close(reader)
    assert [json.loads(line) for line in got] == [{"evaluation": ABOUT}, entry(3)]
