"""Event files hold what the database holds, once, whoever writes them and however often."""

from __future__ import annotations

import struct
import time
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event

from db import jobs
from db.values import MetricPoint, Seconds
from settings.home import Home
from tests.commands.test_status import make_ablation
from tests.support import start, worker
from views.event_files import EventFiles, event_folder


def scalars(folder: Path) -> list[tuple[str, int, float]]:
    """(tag, step, value) of all event files of a run, in the order of writing."""
    found = []
    for file in sorted(folder.iterdir()):
        content, place = file.read_bytes(), 0
        while place < len(content):
            (length,) = struct.unpack_from("<Q", content, place)
            event = Event.FromString(content[place + 12 : place + 12 + length])
            found += [(value.tag, event.step, round(value.simple_value, 4)) for value in event.summary.value]
            place += 12 + length + 4
    return found


def measure(database, claim, *steps: int) -> None:
    for step in steps:
        points = [MetricPoint("loss/action", step, 10.0 / step)]
        jobs.publish(database, claim, step, [], points, Seconds(), time.time())


def folder_of(home: Home) -> Path:
    return event_folder(home) / "1-mine" / "recon-seed0"


def test_points_are_appended_as_they_come(home, database):
    make_ablation(database)
    claim = start(database, "train recon seed 0", worker(database), time.time())
    files = EventFiles(event_folder(home), database)
    measure(database, claim, 10, 20)
    assert files.update() == 2
    assert files.update() == 0
    measure(database, claim, 30)
    assert files.update() == 1
    files.close()
    assert scalars(folder_of(home)) == [
        ("loss/action", 10, 1.0),
        ("loss/action", 20, 0.5),
        ("loss/action", 30, 0.3333),
    ]


def test_a_new_process_writes_everything_once(home, database):
    make_ablation(database)
    measure(database, start(database, "train recon seed 0", worker(database), time.time()), 10, 20)
    for _ in range(3):
        files = EventFiles(event_folder(home), database)
        files.update()
        files.close()
    assert [step for _, step, _ in scalars(folder_of(home))] == [10, 20]


def test_only_one_process_writes(home, database):
    make_ablation(database)
    measure(database, start(database, "train recon seed 0", worker(database), time.time()), 10)
    first, second = EventFiles(event_folder(home), database), EventFiles(event_folder(home), database)
    assert first.update() == 1
    assert second.update() == 0
    first.close()
    assert second.update() == 1, "the first is gone"
    second.close()
    assert len(scalars(folder_of(home))) == 1
