"""What the document of `status --json` says of who does what, in words."""

from __future__ import annotations

from views.doing import counts_in_words, has_begun, is_starting


def test_work_has_begun_with_its_first_job_or_step_or_that_of_a_run() -> None:
    fresh = {"jobs": {"succeeded": 0}, "step": 0}
    assert not has_begun(fresh) and not has_begun({"jobs": {}, "runs": [fresh]})
    assert has_begun({"jobs": {"succeeded": 1}})
    assert has_begun({"jobs": {}, "step": 3}) and has_begun(
        {"jobs": {}, "runs": [fresh, {"jobs": {}, "step": 3}]}
    )


def test_a_session_starts_workers_only_while_there_are_none() -> None:
    sessions = [{"lives": False}, {"lives": True}]
    assert is_starting({"workers": [], "sessions": sessions})
    assert not is_starting({"workers": [{}], "sessions": sessions})
    assert not is_starting({"workers": [], "sessions": sessions[:1]})


def test_running_jobs_of_workers_that_are_gone_are_counted_as_interrupted() -> None:
    jobs = {"blocked": 2, "ready": 0, "running": 3, "succeeded": 5}
    assert counts_in_words(jobs, 0) == "2 blocked, 3 running, 5 succeeded"
    assert counts_in_words(jobs, 1) == "2 blocked, 2 running, 1 interrupted, 5 succeeded"
    assert counts_in_words(jobs, 3) == "2 blocked, 3 interrupted, 5 succeeded"
