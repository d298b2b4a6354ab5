"""Films leave the process as they found it."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np

from calvin.lerobot_writer.films import write_film


def test_no_thread_is_left_real_time() -> None:
    before = os.sched_getscheduler(0)
    pictures = (np.full((200, 200, 3), shade, np.uint8) for shade in (0, 90, 200))
    assert write_film(io.BytesIO(), pictures, 200) == 3
    assert {os.sched_getscheduler(int(thread.name)) for thread in Path("/proc/self/task").iterdir()} == {
        before
    }
