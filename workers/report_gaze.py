"""The gaze figures of a report, summed over the results of gaze and index jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from db.states import SUCCEEDED
from detectors.base import Source
from reports.gaze_data import GazeRegions, GazeScores, IndexUse, ObjectScores, OtherGaze
from workers.report_corpora import PRETRAINING, Corpora

_BOX_SOURCES = frozenset(source.value for source in Source)


def gaze_scores(jobs: Sequence[Any]) -> dict[str, GazeScores]:
    """Detection figures of all gaze jobs that have ended, by difficulty."""
    frames: Counter[str] = Counter()
    detected: Counter[str] = Counter()
    overlap: dict[str, list[float]] = {}
    outcomes: dict[str, Counter[str]] = {}
    for result in _results(jobs, "gaze"):
        for level, figures in result["figures"].items():
            frames[level] += figures["frames"]
            detected[level] += figures["detected"]
            outcomes.setdefault(level, Counter()).update(figures["outcomes"])
        for level, (total, count) in result["iou_sum"].items():
            entry = overlap.setdefault(level, [0.0, 0])
            entry[0] += total
            entry[1] += count
    return {
        level: GazeScores(
            frames=frames[level],
            detected=detected[level],
            rate=detected[level] / frames[level] if level in ("simple", "complex") else None,
            mean_iou=overlap[level][0] / overlap[level][1] if level in overlap else None,
            outcomes=dict(sorted(outcomes[level].items())),
        )
        for level in frames
    }


def gaze_regions(jobs: Sequence[Any], corpora: Corpora | None = None) -> GazeRegions | None:
    """How the regions came about, by object, and what the indexes made of them; None before any gaze job ended."""
    results = _results(jobs, "gaze")
    if not results:
        return None
    ways: Counter[str] = Counter()
    for result in results:
        ways.update(result["sources"])
    return GazeRegions(
        frames=sum(result["frames"] for result in results),
        trusted=sum(result["trusted"] for result in results),
        sources={way: count for way, count in sorted(ways.items()) if way in _BOX_SOURCES},
        reasons={way: count for way, count in sorted(ways.items()) if way not in _BOX_SOURCES},
        objects=_objects([result["objects"] for result in results]),
        index=_index_use(jobs, corpora),
        demonstrations=(len(results), sum(row.kind == "gaze" for row in jobs)),
        by_task=(_by_task(results, "demonstrations"), _by_task(results, "frames")),
    )


def _by_task(results: Sequence[Mapping[str, Any]], name: str) -> int:
    """Earlier versions took the task's target as well, and did not count it."""
    return sum(result.get("by_task", {}).get(name, 0) for result in results)


def _objects(tables: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, ObjectScores]:
    names = sorted({name for table in tables for name in table if name != "all"})
    return {name: _object([table[name] for table in tables if name in table]) for name in names}


def _object(rows: Sequence[Mapping[str, Any]]) -> ObjectScores:
    measured = sum(row.get("measured", 0) for row in rows)  # earlier versions kept no counts of their means
    overlap = sum(row["mean_iou"] * row["measured"] for row in rows if row.get("measured"))
    counts = {
        name: sum(row[name] for row in rows)
        for name in ("frames", "visible", "detected", "false_targets", "guesses")
    }
    wrong = [row["trusted_wrong"] for row in rows if "trusted_wrong" in row]  # nor of this
    return ObjectScores(
        **counts,
        mean_iou=overlap / measured if measured else None,
        trusted_wrong=sum(wrong) if len(wrong) == len(rows) else None,
    )


def other_gaze(jobs: Sequence[Any], corpora: Corpora) -> OtherGaze | None:
    """The same of a dataset that the pretraining has to itself; None where there is none."""
    if corpora.other_dataset is None:
        return None
    rows = corpora.of_other(jobs)
    regions = gaze_regions(rows, corpora)
    if regions is not None:
        regions = replace(
            regions, index={name: use for name, use in regions.index.items() if name == PRETRAINING}
        )
    return OtherGaze(corpora.other_dataset, gaze_scores(rows), regions)


def _index_use(jobs: Sequence[Any], corpora: Corpora | None) -> dict[str, IndexUse]:
    """By what the index is for, in the order of the jobs."""
    names = ("items", "with_target", "weighed_down", "dropped")
    ended = [row for row in jobs if row.kind == "index" and row.state == SUCCEEDED]
    return {
        purpose: IndexUse(*(row.result[name] for name in names))
        for row in ended
        for purpose in (corpora.purposes_of(row) if corpora else (row.spec["split"],))
    }


def _results(jobs: Sequence[Any], kind: str) -> list[Mapping[str, Any]]:
    return [row.result for row in jobs if row.kind == kind and row.state == SUCCEEDED]
