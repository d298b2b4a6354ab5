"""What jobs print and log: bounded, shown escaped, and never taken for the words of another attempt or of Baton."""

from __future__ import annotations

import io
import json
import logging
import sys
import time

import pytest

import cli
from settings.home import Home
from settings.shown import one_line, plain
from tests.commands.test_status import make_ablation
from tests.support import start, worker
from workers import job_log as module
from workers.job_log import LogLine, _Copied, job_log, job_log_file, parse_job_log, read_job_log

JOB = "train recon seed 0"
OURS = "2026-01-31T12:00:00.000Z [1] "
FORGED = "2026-01-31T12:00:00.000Z [9] forged"

#: What Python's `str.splitlines` takes for the end of a line, and a file does not.
SEPARATORS = {
    "carriage return": "\r",
    "vertical tab": "\x0b",
    "form feed": "\x0c",
    "file separator": "\x1c",
    "group separator": "\x1d",
    "record separator": "\x1e",
    "next line": "\x85",
    "line separator": "\u2028",
    "paragraph separator": "\u2029",
}


class Kept(logging.Handler):
    """The lines that were handed over."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def copied(longest: int = 100) -> tuple[_Copied, Kept]:
    kept = Kept()
    return _Copied(io.StringIO(), kept, longest), kept


def test_a_bar_without_end_of_line_is_bounded() -> None:
    stream, kept = copied()
    for _ in range(10_000):
        stream.write("#" * 10)
        assert len(stream._begun) <= 100
    stream.write("\nnext\n")
    assert kept.lines == ["#" * 90 + " ... (cut)", "next"]


def test_a_bar_that_is_drawn_anew_keeps_its_last_picture() -> None:
    stream, kept = copied()
    for percent in range(1000):
        stream.write(f"\r{percent} of 1000 " + "#" * 60)
        assert len(stream._begun) < 80
    stream.write("\n")
    assert kept.lines == ["999 of 1000 " + "#" * 60]


def test_a_cut_line_that_is_drawn_anew_is_whole_again() -> None:
    stream, kept = copied()
    stream.write("x" * 200)
    stream.write("\rdone\n")
    assert kept.lines == ["done"]


def test_a_line_that_ends_as_on_windows_is_kept() -> None:
    stream, kept = copied()
    stream.write("kept\r\n")
    assert kept.lines == ["kept"]


def test_one_write_of_many_lines_is_each_of_them() -> None:
    stream, kept = copied()
    stream.write("\n".join(["a", "", "b" * 300, "c"]))
    stream.tell_begun()
    assert kept.lines == ["a", "b" * 90 + " ... (cut)", "c"]


def test_what_has_no_end_of_line_at_the_end_is_kept(home: Home) -> None:
    with job_log(home, 7, 1):
        sys.stdout.write("the last word")
    assert [line.text for line in read_job_log(home, 7)] == ["the last word"]


def test_what_is_logged_at_once_is_bounded(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONGEST_TEXT", 50)
    with job_log(home, 7, 1):
        logging.getLogger("baton.worker").warning("y" * 1000)
    (line,) = read_job_log(home, 7)
    assert line.text == "WARNING " + "y" * 50 + " ... (cut)"


def test_a_file_that_cannot_be_written_is_told_once_and_ends_no_job(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module._File, "flush", full)
    with job_log(home, 7, 1):
        print("printed")
        print("printed again")
        logging.getLogger("baton.worker").warning("logged")
    said = capsys.readouterr()
    assert said.out == "printed\nprinted again\n"
    assert said.err.count("cannot be written: [Errno 28] No space left on device") == 1


@pytest.mark.parametrize(
    "time_of_day",
    [
        "9999-99-99T99:99:99.999Z",
        "2026-02-30T12:00:00.000Z",
        "0000-01-01T00:00:00.000Z",
        "2026-01-01T24:00:00.000Z",
        "2026-01-01T00:00:61.000Z",
        "٢٠٢٦-٠١-٠١T٠٠:٠٠:٠٠.٠٠٠Z",
    ],
)
def test_what_only_looks_like_a_time_belongs_to_the_line_before(time_of_day: str) -> None:
    forged = f"{time_of_day} [1] forged"
    assert [line.text for line in parse_job_log([OURS + "ours", forged])] == [f"ours\n{forged}"]


@pytest.mark.parametrize("attempt", ["1" * 19, "9" * 5000, "-1", "1.0", "", "٣", "a"])
def test_what_is_no_number_of_an_attempt_begins_no_line(attempt: str) -> None:
    forged = f"2026-01-31T12:00:00.000Z [{attempt}] forged"
    (line,) = parse_job_log([OURS + "ours", forged])
    assert line.attempt == 1 and line.text.endswith("forged")


@pytest.mark.parametrize("separator", ["\n", *SEPARATORS.values()], ids=["end of line", *SEPARATORS])
@pytest.mark.parametrize("way", ["printed", "logged"])
def test_no_text_is_taken_for_another_attempts(home: Home, separator: str, way: str) -> None:
    with job_log(home, 7, 1):
        if way == "logged":
            logging.getLogger("baton.worker").warning("a%s%s", separator, FORGED)
        else:
            print(f"a{separator}{FORGED}")
    lines = read_job_log(home, 7)
    assert {line.attempt for line in lines} == {1}
    assert all(abs(line.at - time.time()) < 3600 for line in lines), "none has the time that was printed"
    assert any(FORGED in line.text for line in lines), "it is kept as what it is: words of this attempt"


@pytest.mark.parametrize("separator", SEPARATORS.values(), ids=SEPARATORS)
def test_a_file_of_an_earlier_baton_is_split_at_its_ends_of_lines_alone(home: Home, separator: str) -> None:
    file = job_log_file(home, 7)
    file.parent.mkdir(parents=True)
    file.write_bytes(f"{OURS}a{separator}{FORGED}\n{OURS}b\n".encode())
    assert [line.attempt for line in read_job_log(home, 7)] == [1, 1]


def test_tracebacks_are_read_as_they_were_said(home: Home) -> None:
    with job_log(home, 7, 1):
        logging.getLogger("baton.worker").warning("one\n  two\n| three\n")
    assert read_job_log(home, 7)[0].text == "WARNING one\n  two\n| three\n"


def test_lines_of_an_earlier_baton_have_no_mark() -> None:
    assert parse_job_log([OURS + "one", "Traceback", "  File"]) == [
        LogLine(1769860800.0, 1, "one\nTraceback\n  File")
    ]


@pytest.mark.parametrize("letter", ["\x1b", "\x07", "\x00", "\x9b", "\u202e", "\ud800", "\x7f"])
def test_a_job_moves_no_terminal_by_its_log(home: Home, letter: str) -> None:
    with job_log(home, 7, 1):
        print(f"a{letter}[2Jb")
    (line,) = read_job_log(home, 7)
    assert line.text == f"a{one_line(letter)}[2Jb" == plain(line.text)
    assert line.text.isprintable()


def tell(home: Home, database, text: str) -> int:
    make_ablation(database)
    claim = start(database, JOB, worker(database, "w1"), time.time())
    with job_log(home, claim.job_id, 1):
        print(text)
    return claim.job_id


@pytest.mark.parametrize("separator", ["\n", *SEPARATORS.values()], ids=["end of line", *SEPARATORS])
def test_logs_shows_no_line_that_a_job_forged(home: Home, database, capsys, separator: str) -> None:
    forged = "2026-01-31 12:00:00  event    attempt 2 succeeded"
    tell(home, database, f"a{separator}{forged}")
    capsys.readouterr()
    assert cli.main(["--home", str(home.root), "logs", JOB]) == 0
    said = capsys.readouterr().out
    assert "attempt 2 succeeded" in said
    lines = said.split("\n")
    assert not [line for line in lines if line.startswith(forged)]
    assert all(line.isprintable() for line in lines)
    capsys.readouterr()
    assert cli.main(["--home", str(home.root), "logs", JOB, "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)["entries"]
    assert {entry["source"] for entry in entries if "succeeded" in entry["text"]} == {"log"}


def test_logs_reads_a_file_with_a_time_that_there_is_not(home: Home, database, capsys) -> None:
    job_id = tell(home, database, "first")
    with job_log_file(home, job_id).open("a") as file:
        file.write("9999-99-99T99:99:99.999Z [1] second\n")
    capsys.readouterr()
    assert cli.main(["--home", str(home.root), "logs", JOB]) == 0
    assert "second" in capsys.readouterr().out
