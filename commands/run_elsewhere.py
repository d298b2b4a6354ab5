"""Where else in the home a run lies that one ablation cannot give."""

from __future__ import annotations

from shlex import quote

from db import queries
from db.checkpoints import final_weights
from db.engine import Database
from db.rows import AblationRow
from settings.home import Home
from settings.names import look
from settings.shown import cut, shown
from settings.suggestions import nearest


def elsewhere(
    database: Database, home: Home, ablation: AblationRow, arm: str, seed: int, in_words: bool
) -> str:
    """The newest other ablation that has weights of this arm, or one of nearly this name, with this seed: the end of a
    sentence, and nothing where there is none. in_words: as `commands.trained_run.trained_run` has it."""
    is_folder = home.artifacts_url is None  # where `artifacts gc --spent` may have been
    trained = {
        entry.run for entry in final_weights(database) if not is_folder or (home.root / entry.path).is_file()
    }
    runs = [
        (other, run.arm)
        for other in reversed(queries.ablation_rows(database))
        if other.id != ablation.id
        for run in queries.runs_of(database, other.id)
        if run.seed == seed and run.id in trained
    ]
    for other, name in runs:
        if look(name) == look(arm):
            return f"; {called(other)} has it: {_how(other, name, seed, in_words)}"
    near = nearest(arm, [name for _, name in runs])
    for other, name in runs:
        if name == near and not _has(database, ablation, name):
            how = "" if in_words else f"{quote(name)} {seed} "
            return (
                f"; did you mean {shown(name)} of {called(other)}: {how}{_how(other, name, seed, in_words)}"
            )
    return ""


def called(ablation: AblationRow) -> str:
    return f"ablation {cut(ablation.name)} ({ablation.id})"


def _has(database: Database, ablation: AblationRow, arm: str) -> bool:
    """Such an arm is told of by its own ablation."""
    return any(look(run.arm) == look(arm) for run in queries.runs_of(database, ablation.id))


def _how(ablation: AblationRow, arm: str, seed: int, in_words: bool) -> str:
    return quote(f"{ablation.id} {arm} seed {seed}") if in_words else f"--ablation {ablation.id}"
