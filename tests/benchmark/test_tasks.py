from __future__ import annotations

from benchmark.tasks import BLOCK_COLOURS, BLOCK_ORDER, TASKS


def test_there_are_34_tasks() -> None:
    assert len(TASKS) == len(set(TASKS)) == 34


def test_every_scene_lists_every_block_once() -> None:
    assert all(sorted(order) == sorted(BLOCK_COLOURS) for order in BLOCK_ORDER.values())
