"""Whether ranks stand still: no step for much longer than steps take, or no sign of life. Nothing here reads a clock.

A rank that is frozen (a stopped process, a device that hangs, a lost driver) keeps all others waiting, and each of them
looks alive. The start, loading, checkpoints and measuring are no steps and have bounds of their own, which the ranks
tell with the stage; a process that is stopped is silent in any of them, and known much sooner. Time counts only as
often as somebody looked: where the attempt itself was stopped, or the whole machine, the ranks had no time either. Nor
does what a full machine gave to others: before silence is taken for standing still, the kernel is asked what it gave
each process (`tasks.train.gang.pulse`). One that is stopped got nothing and waited for nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from statistics import median

from tasks.train.gang.pulse import Pulse
from tasks.train.gang.words import ENDING, LAUNCHER, LOADING, SAVING, STARTING, STEPPING

#: A step may take the larger of these: seconds, and times the median of those before.
LEAST_SECONDS, TIMES = 20.0, 20.0
#: Without a sign of life; and by stage where files of a cold disk are mapped, which keeps a process from giving one:
#: those of torch and of a GPU's libraries, and weights.
ALIVE_SECONDS = 20.0
STARTING_ALIVE_SECONDS, LOADING_ALIVE_SECONDS = 90.0, 60.0
#: Stages in which nothing is done but to move bytes, so that each that moves is progress.
_MOVING = (LOADING, SAVING, ENDING)
#: The most of the time that counts as given to others: who waits for ever is found in the end.
_MOST_WAITED = 0.95
#: Of what is allowed, silence from which on pulses are felt.
_WORRIED = 0.5
#: The most that counts between two looks.
_LONGEST_LOOK = 2.0
#: Steps whose median counts.
_REMEMBERED = 101


class Watch:
    """Of one attempt's ranks. bound: seconds until the first stage is told."""

    def __init__(self, now: float, bound: float) -> None:
        self._looked = now
        self._silent = 0.0
        self._stage, self._bound = STARTING, bound
        self._steps: deque[float] = deque(maxlen=_REMEMBERED)
        self._ranks = {LAUNCHER: 0.0}
        self._saving: float | None = None
        self._saving_bound = 0.0
        self._waited = 0.0

    def stage(self, name: str, bound: float) -> None:
        """The ranks have begun with something else, which takes `bound` seconds at most; steps are judged by those
        before, and the first by `bound`."""
        self._stage, self._bound, self._silent = name, bound, 0.0

    def step(self, seconds: float) -> None:
        """A step is done, which took so long."""
        self._steps.append(seconds)
        self._silent = 0.0

    def ranks(self, count: int) -> None:
        """So many are being started; until now it was on what starts them to give signs of life."""
        self._ranks = dict.fromkeys(range(count), 0.0)

    def alive(self, rank: int) -> None:
        """That rank's process runs, or the launcher's."""
        if rank in self._ranks:
            self._ranks[rank] = 0.0

    def moved(self, rank: int) -> None:
        """That rank read, wrote or hashed more of what it loads or saves."""
        self.alive(rank)
        if self._stage in _MOVING:
            self._silent = 0.0
        if self._saving is not None:
            self._saving = 0.0

    def feel(self, pulses: Iterable[Pulse]) -> None:
        """What the kernel gave the processes since it was last asked; counts until it is told again."""
        felt = list(pulses)
        running = {pulse.rank for pulse in felt if pulse.ran}
        if LAUNCHER in running:  # a rank that is not there yet is on it
            running |= self._ranks.keys() - {pulse.rank for pulse in felt}
        for rank in running:
            self.alive(rank)
        self._waited = min(_MOST_WAITED, max((pulse.waited for pulse in felt), default=0.0))

    @property
    def is_worried(self) -> bool:
        """Whether something has been silent for so long that pulses shall be felt."""
        return any(silent > _WORRIED * allowed for silent, allowed in self._silences())

    def saving(self, bound: float) -> None:
        """A checkpoint is written beside the steps; nothing of it moves for `bound` seconds at most."""
        self._saving, self._saving_bound = 0.0, bound

    def saved(self) -> None:
        self._saving = None

    def allowed(self) -> float:
        """Seconds of silence that are none to worry about."""
        if self._stage == STEPPING and self._steps:
            return max(LEAST_SECONDS, TIMES * median(self._steps))
        return self._bound

    def look(self, now: float) -> str | None:
        """Why the attempt has to end, in words; None where it has not."""
        passed = min(max(0.0, now - self._looked), _LONGEST_LOOK)
        self._looked = now
        given = passed * (1.0 - self._waited)
        self._silent += given
        self._ranks = {rank: silent + passed for rank, silent in self._ranks.items()}
        if self._saving is not None:
            self._saving += given
        return self._no_progress() or self._no_life() or self._no_checkpoint()

    def _silences(self) -> Iterator[tuple[float, float]]:
        """(seconds, allowed) of all that is watched."""
        yield self._silent, self.allowed()
        yield max(self._ranks.values()), self._alive_allowed()
        if self._saving is not None:
            yield self._saving, self._saving_bound

    def _alive_allowed(self) -> float:
        stages = {STARTING: STARTING_ALIVE_SECONDS, LOADING: LOADING_ALIVE_SECONDS}
        return stages.get(self._stage, ALIVE_SECONDS)

    def _no_progress(self) -> str | None:
        allowed = self.allowed()
        if self._silent <= allowed:
            return None
        if self._stage != STEPPING:
            return f"ranks stand still while {self._stage}: nothing for {self._silent:.0f} s, {allowed:.0f} s at most"
        usual = f", a step takes {median(self._steps):.3g} s" if self._steps else ""
        return f"ranks stand still: no step for {self._silent:.0f} s{usual}"

    def _no_life(self) -> str | None:
        silent, rank = max((silent, rank) for rank, silent in self._ranks.items())
        if silent <= self._alive_allowed():
            return None
        who = "the launcher of the ranks" if rank == LAUNCHER else f"rank {rank}"
        return f"{who} stands still while {self._stage}: no sign of life for {silent:.0f} s"

    def _no_checkpoint(self) -> str | None:
        if self._saving is None or self._saving <= self._saving_bound:
            return None
        return f"a checkpoint stands still: nothing of it was written for {self._saving:.0f} s"
