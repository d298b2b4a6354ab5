"""The gaze figures of a report, summed over the results of gaze and index jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from detectors.base import Source
from experiments.reconvla.report.corpora import PRETRAINING, Corpora
from experiments.reconvla.report.gaze_data import GazeRegions, GazeScores, IndexUse, ObjectScores, OtherGaze
from reports.grouped import grouped_share_interval
from tasks.records import JobRecord, ended, told
from tasks.results import GazeResult, IndexResult, ObjectFigures
from tasks.specs import GazeSpec, IndexSpec

_BOX_SOURCES = frozenset(source.value for source in Source)


def gaze_scores(jobs: Sequence[JobRecord]) -> dict[str, GazeScores]:
    """Detection figures of all gaze jobs that have ended, by difficulty."""
    frames: Counter[str] = Counter()
    detected: Counter[str] = Counter()
    overlap: dict[str, list[float]] = {}
    outcomes: dict[str, Counter[str]] = {}
    by_demonstration: dict[str, list[tuple[int, int]]] = {}
    for _, result in ended(jobs, GazeResult):
        for level, figures in result.figures.items():
            frames[level] += figures.frames
            detected[level] += figures.detected
            by_demonstration.setdefault(level, []).append((figures.detected, figures.frames))
            outcomes.setdefault(level, Counter()).update(figures.outcomes)
        for level, (total, count) in result.iou_sum.items():
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
            demonstrations=sum(1 for _, count in by_demonstration[level] if count),
            rate_interval=_interval(by_demonstration[level]) if level in ("simple", "complex") else None,
        )
        for level in frames
    }


def _interval(counts: Sequence[tuple[int, int]]) -> tuple[float, float] | None:
    """counts: (detected, frames) of each demonstration."""
    return grouped_share_interval([hits for hits, _ in counts], [frames for _, frames in counts])


def detectors_of(jobs: Sequence[JobRecord]) -> str:
    """What these jobs looked with."""
    return " and ".join(dict.fromkeys(spec.detector for _, spec in told(jobs, GazeSpec)))


def gaze_regions(jobs: Sequence[JobRecord], corpora: Corpora | None = None) -> GazeRegions | None:
    """How the regions came about, by object, and what the indexes made of them; None before any gaze job ended."""
    results = [result for _, result in ended(jobs, GazeResult)]
    if not results:
        return None
    ways: Counter[str] = Counter()
    for result in results:
        ways.update(result.sources)
    return GazeRegions(
        frames=sum(result.frames for result in results),
        trusted=sum(result.trusted for result in results),
        sources={way: count for way, count in sorted(ways.items()) if way in _BOX_SOURCES},
        reasons={way: count for way, count in sorted(ways.items()) if way not in _BOX_SOURCES},
        objects=_objects([result.objects for result in results]),
        index=_index_use(jobs, corpora),
        demonstrations=(len(results), len(told(jobs, GazeSpec))),
        by_task=(sum(r.by_task.demonstrations for r in results), sum(r.by_task.frames for r in results)),
    )


def _objects(tables: Sequence[Mapping[str, ObjectFigures]]) -> dict[str, ObjectScores]:
    names = sorted({name for table in tables for name in table if name != "all"})
    return {name: _object([table[name] for table in tables if name in table]) for name in names}


def _object(rows: Sequence[ObjectFigures]) -> ObjectScores:
    measured = sum(row.measured or 0 for row in rows)  # earlier versions kept no counts of their means
    overlap = sum(row.mean_iou * row.measured for row in rows if row.measured and row.mean_iou is not None)
    wrong = [row.trusted_wrong for row in rows if row.trusted_wrong is not None]  # nor of this
    return ObjectScores(
        frames=sum(row.frames for row in rows),
        visible=sum(row.visible for row in rows),
        detected=sum(row.detected for row in rows),
        false_targets=sum(row.false_targets for row in rows),
        guesses=sum(row.guesses for row in rows),
        mean_iou=overlap / measured if measured else None,
        trusted_wrong=sum(wrong) if len(wrong) == len(rows) else None,
    )


def other_gaze(jobs: Sequence[JobRecord], corpora: Corpora) -> OtherGaze | None:
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


def _index_use(jobs: Sequence[JobRecord], corpora: Corpora | None) -> dict[str, IndexUse]:
    """By what the index is for, in the order of the jobs."""
    return {
        purpose: IndexUse(result.items, result.with_target, result.weighed_down, result.dropped)
        for row, result in ended(jobs, IndexResult)
        for purpose in _purposes(row, corpora)
    }


def _purposes(row: JobRecord, corpora: Corpora | None) -> tuple[str, ...]:
    if corpora is not None:
        return corpora.purposes_of(row)
    return (row.spec.split,) if isinstance(row.spec, IndexSpec) else ()
