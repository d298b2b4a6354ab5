"""What ranks say arrives as what it was."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

import pytest

import errors
from errors import ArtifactDamaged, CheckpointError, ConfigError, RanksLost, TrainingDiverged
from tasks.context import Note, Point
from tasks.train.gang.words import Line, Teller, error_in, lines_of


def heard(say: Callable[[Teller], object]) -> list[Line]:
    reading, writing = os.pipe()
    say(Teller(writing))
    os.close(writing)
    buffer = bytearray()
    while block := os.read(reading, 1 << 16):
        buffer += block
    os.close(reading)
    found = list(lines_of(buffer))
    assert not buffer
    return found


@pytest.mark.parametrize(
    "error",
    [
        ConfigError("training.lora is trained on one device"),
        CheckpointError("weights.safetensors: 3 tensors are missing"),
        TrainingDiverged("the total loss is nan at step 3"),
        errors.EnvironmentLacks("none here"),
        MemoryError("rank 1: of 3 GiB"),
    ],
)
def test_an_error_of_a_rank_is_raised_as_what_it_is(error: Exception) -> None:
    told = type(error)("of 3 GiB") if isinstance(error, MemoryError) else error
    (line,) = heard(lambda teller: teller.failed(1, told))
    found = error_in(line)
    assert (type(found), str(found)) == (type(error), str(error)) and not line.follows


def test_the_machines_error_keeps_its_number() -> None:
    (line,) = heard(lambda teller: teller.failed(0, OSError(errno.ENOSPC, "No space left on device")))
    found = error_in(line)
    assert isinstance(found, OSError) and found.errno == errno.ENOSPC


def test_the_machines_error_keeps_its_file() -> None:
    place = "/home/artifacts/.scratch/1-2-3/checkpoint-4/shard-00001.safetensors"
    (line,) = heard(lambda t: t.failed(0, OSError(errno.EACCES, os.strerror(errno.EACCES), place)))
    found = error_in(line)
    assert str(found) == f"[Errno {errno.EACCES}] {os.strerror(errno.EACCES)}: {place!r}"
    assert isinstance(found, PermissionError)
    (line,) = heard(lambda t: t.failed(0, OSError(errno.EACCES, "no", 7)))
    assert str(error_in(line)) == f"[Errno {errno.EACCES}] no: '7'", "a descriptor"


def test_a_damaged_input_keeps_its_place() -> None:
    damaged = ArtifactDamaged("artifact x is damaged", "artifacts/aa/aabb")
    (line,) = heard(lambda teller: teller.failed(0, damaged))
    found = error_in(line)
    assert isinstance(found, ArtifactDamaged) and found.path == damaged.path


def test_what_another_ranks_end_brings_about_is_no_fault_of_the_job() -> None:
    closed = RuntimeError(
        "[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer"
    )
    (line,) = heard(lambda teller: teller.failed(0, closed))
    assert line.follows and isinstance(error_in(line), RanksLost)
    (line,) = heard(lambda teller: teller.failed(0, RuntimeError("shapes do not match")))
    assert not line.follows and str(error_in(line)) == "rank 0: RuntimeError: shapes do not match"


def test_a_long_sentence_is_cut_below_what_a_pipe_takes_whole() -> None:
    (line,) = heard(lambda teller: teller.failed(0, ConfigError('"\N{SNOWMAN}' * 4000)))
    assert len(str(line.values).encode()) < 4096 and str(error_in(line)).startswith('"\N{SNOWMAN}')


def test_figures_notes_and_what_libraries_print() -> None:
    points = [Point(f"validation_by_demonstration/{n}", 7, n / 3) for n in range(60)]
    note = Note("early_stop", "stopped at step 7", {"step": 7, "gain": 0.25})
    lines = heard(
        lambda t: (t.points(points), os.write(t._descriptor, b"NCCL version\n[1]\n"), t.notes([note]))
    )
    assert [point for line in lines[:-1] for point in line.points] == points
    assert lines[-1].note == note


def test_lines_without_an_end_take_no_memory_and_hide_no_word_behind_them() -> None:
    buffer, found = bytearray(), []
    for block in [b'{"' + b"x" * 65_536] * 100 + [b'"}\n{"word":"step"}\n{"wo', b'rd":"saved"}\n']:
        buffer += block
        found += lines_of(buffer)
        assert len(buffer) < 2 << 20
    assert [line.word for line in found] == ["step", "saved"] and not buffer


def test_what_starts_the_ranks_tells_its_own_errors() -> None:
    """Those of torch's rendezvous are as a rank's that lost others: the job is not at fault."""
    (line,) = heard(lambda teller: teller.launch_failed(TimeoutError("nobody came")))
    assert line.follows
    assert (type(error_in(line)), str(error_in(line))) == (
        RanksLost,
        "the launcher of the ranks lost the others: TimeoutError: nobody came",
    )
    for own in (errors.EnvironmentLacks("no localhost"), OSError(errno.EMFILE, "Too many open files")):
        (line,) = heard(lambda teller, own=own: teller.launch_failed(own))  # type: ignore[misc]
        assert not line.follows and type(error_in(line)) is type(own)
