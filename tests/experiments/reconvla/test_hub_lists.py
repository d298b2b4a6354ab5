"""How often the lists of a set on the Hub are read, and what they refuse when a job asks for what is needed."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from calvin.lerobot_format import episodes, listed
from errors import ConfigError, DatasetError
from experiments.reconvla.hub_data import local
from hub import copies as hub_copies
from hub.copies import SPARE_BYTES
from tasks.context import Finished
from tasks.data import ingest
from tasks.registry import INGEST
from tests.experiments.reconvla.test_hub_data import (  # noqa: F401  (fixtures)
    NAME,
    asked,
    fetched,
    lerobot,
    spec_of,
)
from tests.hub.loopback import COMMIT, Hub
from tests.hub.serving import serve  # noqa: F401  (a fixture)
from tests.tasks.fake_context import FakeContext


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often a listing, and the lists of a set for what is needed, were read."""
    counts: Counter[str] = Counter()

    def counted(module: Any, name: str) -> None:
        whole = getattr(module, name)

        def call(*args: Any) -> Any:
            counts[name] += 1
            return whole(*args)

        monkeypatch.setattr(module, name, call)

    assert listed.read_contents is episodes.read_contents, (
        "it is imported before: only what is needed is counted"
    )
    counted(hub_copies, "_read_listing")
    counted(episodes, "read_contents")
    return counts


def test_jobs_of_a_worker_read_the_lists_of_their_set_once(
    lerobot: Hub,  # noqa: F811
    tmp_path: Path,
    read: Counter[str],
) -> None:
    fetched(tmp_path / "job", asked(None).plan)
    plan = asked(None, NAME, "data.chunk=2").plan
    specs = [job.spec for job in plan.jobs if job.label.startswith("ingest training")]
    memory: dict[str, object] = {}
    read.clear()
    for spec in specs:
        context = FakeContext(tmp_path / "ingest", spec, kind=INGEST, memory=memory)
        assert isinstance(ingest.run(context), Finished)
    assert len(specs) == 3
    assert read == {"_read_listing": 1, "read_contents": 1}


def test_a_copy_that_goes_between_two_jobs_is_fetched_again(
    lerobot: Hub,  # noqa: F811
    tmp_path: Path,
) -> None:
    fetched(tmp_path / "job", asked(None).plan)
    plan = asked(None, NAME, "data.chunk=2").plan
    specs = [job.spec for job in plan.jobs if job.label.startswith("ingest training")]
    memory: dict[str, object] = {}
    for spec in specs[:2]:
        context = FakeContext(tmp_path / "ingest", spec, kind=INGEST, memory=memory)
        assert isinstance(ingest.run(context), Finished)
        shutil.rmtree(local(f"{NAME}@{COMMIT}"))


def test_a_demonstration_that_the_lists_have_not_is_refused_and_counted(
    lerobot: Hub,  # noqa: F811
    tmp_path: Path,
) -> None:
    fetched(tmp_path / "job", asked(None).plan)
    spec = INGEST.spec_of(spec_of(asked(None).plan, "ingest"))
    first = spec.demonstrations[0]
    beyond = (first, replace(first, number=6), replace(first, number=7))
    with pytest.raises(
        DatasetError, match=r"2 of 3 demonstrations .* not there \(first: 6\): its lists have 6"
    ):
        ingest.run(FakeContext(tmp_path / "ingest", replace(spec, demonstrations=beyond), kind=INGEST))


def test_guesses_at_what_would_fit_read_nothing_anew(
    lerobot: Hub,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    read: Counter[str],
) -> None:
    sizes = [len(content) for content in lerobot.repositories["lab/data"].files.values()]

    class Usage:
        free = sum(sizes) // 2 + SPARE_BYTES

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    with pytest.raises(ConfigError, match=r"data\.episodes=\S+ would fit, \d of 8"):
        asked(None)
    assert max(read.values()) <= 3, "once to know what is needed, and once for all guesses"
