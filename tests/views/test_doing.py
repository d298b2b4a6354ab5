"""What the document of `status --json` says of who does what, in words."""

from __future__ import annotations

from views.doing import as_left, counts_in_words, is_starting


def test_a_session_starts_workers_only_while_there_are_none() -> None:
    sessions = [{"lives": False}, {"lives": True}]
    assert is_starting({"workers": [], "sessions": sessions})
    assert not is_starting({"workers": [{}], "sessions": sessions})
    assert not is_starting({"workers": [], "sessions": sessions[:1]})


def test_who_leaves_starts_nothing() -> None:
    runs = [{"doing": "starting", "jobs": {"running": 1}}, {"doing": "succeeded", "jobs": {}}]
    (left,) = as_left({"ablations": [{"doing": "starting", "jobs": {"ready": 2}, "runs": runs}]})["ablations"]
    assert left["doing"] == "waiting for a worker"
    assert [run["doing"] for run in left["runs"]] == ["interrupted", "succeeded"]


def test_running_jobs_of_workers_that_are_gone_are_counted_as_interrupted() -> None:
    jobs = {"blocked": 2, "ready": 0, "running": 3, "succeeded": 5}
    assert counts_in_words(jobs, 0) == "2 blocked, 3 running, 5 succeeded"
    assert counts_in_words(jobs, 1) == "2 blocked, 2 running, 1 interrupted, 5 succeeded"
    assert counts_in_words(jobs, 3) == "2 blocked, 3 interrupted, 5 succeeded"
