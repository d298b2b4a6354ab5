"""How much of the work is behind the figures of a report, in a sentence."""

from __future__ import annotations

from reports.data import ReportData

#: States in which nothing will change by itself.
_ENDED = ("succeeded", "failed", "cancelled")


def standing(data: ReportData) -> str:
    """`Failed: 37 of 42 jobs have succeeded, 2 failed, 3 blocked.`; empty where no job is known."""
    done, total = data.jobs.get("succeeded", 0), sum(data.jobs.values())
    if not total:
        return ""
    if done == total:
        return "The one job has succeeded." if total == 1 else f"All {total} jobs have succeeded."
    counts = {**data.jobs, "running": data.jobs.get("running", 0) - data.interrupted_jobs}
    counts["interrupted"] = data.interrupted_jobs
    others = [f"{count} {state}" for state, count in counts.items() if count and state != "succeeded"]
    verdict = data.state if data.state in _ENDED else f"not finished ({data.doing or data.state})"
    return f"{verdict.capitalize()}: {', '.join([f'{done} of {total} jobs have succeeded', *others])}."


def is_whole(data: ReportData) -> bool:
    """Whether all that was planned has succeeded, or nothing is known of jobs."""
    return data.jobs.get("succeeded", 0) == sum(data.jobs.values())
