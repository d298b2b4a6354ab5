"""What a report is made of: frozen values, filled in by whoever has the facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from errors import InvalidInput
from reports.last_look import LastLook
from reports.metric import Metric
from reports.published import Published
from reports.scatter import Spread
from reports.section import Part, Section


@dataclass(frozen=True)
class LossPoint:
    """One point of a loss curve; `name` is the loss (`action`, `reconstruction`, ...)."""

    step: int
    name: str
    value: float


@dataclass(frozen=True)
class Slice:
    """One ended attempt of a training job: the steps it did, in how many seconds (None: not measured), and how it
    ended."""

    step_from: int
    step_to: int
    seconds: float | None
    outcome: str


@dataclass(frozen=True)
class TaskScore:
    """How often a task was attempted in the chains, and how often done."""

    attempted: int
    succeeded: int


@dataclass(frozen=True)
class RunReport:
    """One arm with one seed. What was not measured is None.

    `results`: of each sequence, as the report's metric counts them, in the sequences' order. `open_loop_error`: mean
    absolute error of predicted actions on the validation split, in action units (-1..1). `held_out_loss`: the
    action loss on the same `held_out_frames` frames, nats a token; curves of held-out losses are of these frames too.
    `slices`: training attempts that did steps. `device_seconds`: what all attempts took, by their workers' monotonic
    clocks; those that were killed count up to their last sign of life. `useful_seconds`: device time whose steps are in
    the final weights. `title`: what people read for the arm's name; the name itself where empty. `curves`: what else
    was measured along the way, such as validation. `steps_per_epoch`: steps in which every training sample is drawn
    once on average. No statement on the method is made of what is not `trained`. `judged_by`, `held_out_by`: results,
    and held-out figures, of two runs are comparable where these are equal. `failed`: why it has no results and gets
    none, where that is so; `cancelled`: whether it gets none as somebody ended it.
    """

    arm: str
    seed: int
    train_steps: int | None
    results: tuple[int, ...] | None = None
    open_loop_error: float | None = None
    held_out_loss: float | None = None
    held_out_frames: int | None = None
    losses: tuple[LossPoint, ...] = ()
    slices: int | None = 0
    device_seconds: float | None = None
    useful_seconds: float | None = None
    title: str = ""
    curves: tuple[LossPoint, ...] = ()
    attempts: tuple[Slice, ...] = ()
    steps_per_epoch: float | None = None
    tasks: Mapping[str, TaskScore] = field(default_factory=dict)
    judged_by: str = ""
    held_out_by: str = ""
    failed: str = ""
    cancelled: bool = False

    @property
    def trained(self) -> bool:
        """Whether it is an arm; a policy that is only judged has no steps."""
        return self.train_steps is not None

    @property
    def shown(self) -> str:
        """What people read for the arm."""
        return self.title or self.arm

    @property
    def name(self) -> str:
        """What people read for the run."""
        return f"{self.shown}, seed {self.seed}"


@dataclass(frozen=True)
class ReportData:
    """Everything in the report of one ablation.

    `runs` in display order: arms appear in the order of their first run. `sections` in the order of the page.
    `closed_loop_reason` says why there are no results, where there are none; `closed_loop_warning` what may have
    lowered them. `random_results`: sequences driven by random actions, judged by `random_judged_by`. `published`:
    others' rows beneath the table. `state` of the ablation and number of `jobs` by state, `doing` and
    `interrupted_jobs` as `status` has them: whether anybody works on what is running, and how many running jobs
    nobody does. `failures`: a sentence for each failed job. `created_at`: when the figures were gathered, Unix
    seconds. `order`: of the entries of report.json; those that it does not name come last. `baseline`: the trained
    arm that the others are compared with; empty for the first. `primary`: the column of the metric that is compared
    with p; empty for the mean. `scatter`: by column, how trained models of one arm scatter, in the unit that people
    read. `looks`: for each time that seeds were added, how many of each arm had been judged by then. `last_looks`:
    of each arm that is looked at, where seeds are adaptive; None where they were named. Raises InvalidInput for a
    run or an anchor that is given twice, for published rows of another metric, and for a baseline or a primary
    column that is not there.
    """

    ablation: str
    metric: Metric
    runs: tuple[RunReport, ...]
    sections: tuple[Section, ...] = ()
    ablation_id: str = ""
    created_at: float | None = None
    state: str = ""
    jobs: Mapping[str, int] = field(default_factory=dict)
    doing: str = ""
    interrupted_jobs: int = 0
    failures: tuple[str, ...] = ()
    closed_loop_reason: str | None = None
    closed_loop_warning: str | None = None
    random_results: tuple[int, ...] | None = None
    random_judged_by: str = ""
    published: Published | None = None
    order: tuple[str, ...] = ()
    baseline: str = ""
    primary: str = ""
    scatter: Mapping[str, Spread] = field(default_factory=dict)
    looks: tuple[Mapping[str, int], ...] = ()
    last_looks: Mapping[str, LastLook] | None = None

    def __post_init__(self) -> None:
        pairs = [(run.arm, run.seed) for run in self.runs]
        twice = sorted({pair for pair in pairs if pairs.count(pair) > 1})
        if twice:
            raise InvalidInput(f"report of {self.ablation!r}: runs given twice (arm, seed): {twice}")
        anchors = [section.anchor for section in self.sections]
        if len(set(anchors)) < len(anchors):
            raise InvalidInput(f"report of {self.ablation!r}: sections share an anchor: {anchors}")
        rows = self.published.rows if self.published is not None else ()
        other = [row.method for row in rows if len(row.success) != self.metric.ceiling]
        if other:
            raise InvalidInput(f"report of {self.ablation!r}: published rows of another ceiling: {other}")
        if self.baseline and self.baseline not in self.trained_arms():
            raise InvalidInput(
                f"report of {self.ablation!r}: the baseline {self.baseline!r} is none of its arms"
            )
        if self.primary and self.primary not in self.metric.columns:
            raise InvalidInput(f"report of {self.ablation!r}: there is no measure {self.primary!r}")

    def arms(self) -> dict[str, tuple[RunReport, ...]]:
        """Runs by arm, arms in the order of their first run."""
        grouped: dict[str, tuple[RunReport, ...]] = {}
        for run in self.runs:
            grouped[run.arm] = (*grouped.get(run.arm, ()), run)
        return grouped

    def trained_arms(self) -> dict[str, tuple[RunReport, ...]]:
        """As `arms`, without rows that are only judged."""
        return {arm: runs for arm, runs in self.arms().items() if runs[0].trained}

    def parts(self) -> Iterator[Part]:
        """Of all sections, in their order."""
        for section in self.sections:
            yield from section.parts
