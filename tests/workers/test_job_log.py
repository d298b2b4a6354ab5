"""What a body logs and prints is kept by job, and nothing else is."""

from __future__ import annotations

import logging
import sys

import pytest

from settings.home import Home
from workers import job_log as module
from workers.job_log import job_log, job_log_file, parse_job_log, read_job_log


def test_lines_of_attempts_are_kept_in_order(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    for attempt in (1, 2):
        with job_log(home, 7, attempt):
            print("loss", attempt)
            logging.getLogger("baton.worker").warning("slow %d", attempt)
        print("between attempts")
    lines = read_job_log(home, 7)
    assert [(line.attempt, line.text) for line in lines] == [
        (1, "loss 1"),
        (1, "WARNING slow 1"),
        (2, "loss 2"),
        (2, "WARNING slow 2"),
    ]
    assert all(abs(line.at - lines[0].at) < 60 for line in lines)
    assert "loss 1" in capsys.readouterr().out, "the worker's own log has it too"


def test_tracebacks_stay_with_their_line(home: Home) -> None:
    with job_log(home, 7, 1):
        try:
            raise ValueError("of this job")
        except ValueError:
            logging.getLogger("baton.worker").exception("it failed")
    (line,) = read_job_log(home, 7)
    assert line.text.startswith("ERROR it failed\nTraceback")
    assert line.text.endswith("ValueError: of this job")


def test_standard_error_is_kept_and_bars_count_once(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    with job_log(home, 7, 1):
        sys.stderr.write("half a ")
        sys.stderr.write("line\n10 %\r100 %\n")
    assert [line.text for line in read_job_log(home, 7)] == ["half a line", "100 %"]
    assert "half a line" in capsys.readouterr().err


def test_a_silent_attempt_leaves_no_file(home: Home) -> None:
    with job_log(home, 7, 1):
        logging.getLogger("celery.worker").warning("of the queue")
    assert not job_log_file(home, 7).exists()
    assert read_job_log(home, 7) == []


def test_everything_is_put_back_after_an_error(home: Home) -> None:
    before = (sys.stdout, sys.stderr, list(logging.getLogger().handlers))
    with pytest.raises(RuntimeError), job_log(home, 7, 1):
        raise RuntimeError("in the body")
    assert (sys.stdout, sys.stderr, list(logging.getLogger().handlers)) == before


def test_endless_printing_is_bounded(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LIMIT_BYTES", 2000)
    with job_log(home, 7, 1):
        for number in range(500):
            print(f"line {number} {'x' * 40}")
    folder = job_log_file(home, 7).parent
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 2 * 2000 + 100
    assert read_job_log(home, 7)[-1].text.startswith("line 499")


def test_what_is_no_line_of_ours_is_left_out() -> None:
    assert parse_job_log(["garbage", "more"]) == []
