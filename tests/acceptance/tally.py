"""A kind of job that Baton does not have, as somebody would add it: one file, and one line where it is started."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from settings.bounds import PathText, Seconds, Steps
from settings.typed_json import Aside, Whole
from tasks.context import Draft, Finished, Point, TaskContext, Yielded
from tasks.kind import JobResult, Kind, Spec


@dataclass(frozen=True, kw_only=True)
class TallySpec(Spec):
    """Sums 1 to `steps`. lie: a file whose being there makes sums wrong, which no key tells."""

    steps: Steps
    slice_seconds: Aside[Seconds]
    step_seconds: Aside[Seconds]
    lie: Aside[PathText]

    @property
    def time_slice(self) -> float:
        return self.slice_seconds

    @property
    def loads_model(self) -> bool:
        return False


@dataclass(frozen=True, kw_only=True)
class TallyResult(JobResult):
    sum: Whole


TALLY = Kind(
    name="tally",
    specs=(TallySpec,),
    results=(TallyResult,),
    body=f"{__name__}:run",
    resource="cpu",
    priority=10,
    version=1,
    makes=("tally-sheet",),
    sliced=True,
    intermediate=True,
    decided_by=frozenset({"body"}),
)


def run(context: TaskContext[TallySpec]) -> Finished[TallyResult] | Yielded:
    spec, at = context.spec, context.step
    total = int(context.resume[0].path.read_text()) if context.resume else 0
    while at < spec.steps:
        if (reason := context.should_stop()) is not None:
            if at > context.step:
                context.publish(at, [_sheet(context, total, final=False)])
            return Yielded(reason)
        at += 1
        total += at + Path(spec.lie).exists()
        time.sleep(spec.step_seconds)
        context.report_progress(at, spec.steps)
    return Finished([_sheet(context, total)], [Point("sum", at, float(total))], result=TallyResult(sum=total))


def _sheet(context: TaskContext[TallySpec], total: int, final: bool = True) -> Draft:
    file = context.scratch / "sheet.txt"
    file.write_text(str(total))
    return Draft("tally-sheet", "sheet", file, final)


if __name__ == "__main__":
    import cli
    from tasks.registry import KINDS
    from tests.acceptance.tally import TALLY as DECLARED
    from workers import supervisor

    KINDS[DECLARED.name] = DECLARED  # the line in the registry
    supervisor.CLI = Path(__file__)
    sys.exit(cli.main())
