"""A run of the home that somebody who mistyped its name may have meant."""

from __future__ import annotations

from contextlib import closing, suppress

from errors import BatonError
from settings.home import Home
from settings.names import tidy
from settings.shown import shown
from settings.suggestions import nearest


def near_run(home: Home, name: str) -> str:
    """`; did you mean 'recon seed 0'?`, as `commands.named_checkpoint.find_run` reads it, or nothing, also without a
    home that can be read. It ends a sentence."""
    from db import queries
    from db.migrate import look_at_state

    names: list[str] = []
    with suppress(BatonError):
        if not home.exists:
            return ""
        with closing(look_at_state(home)) as database:
            for row in reversed(queries.ablation_rows(database)):
                labels = [f"{run.arm} seed {run.seed}" for run in queries.runs_of(database, row.id)]
                if not names:  # of the newest alone an arm needs no ablation before it
                    names += labels
                names += [f"{called} {label}" for called in (row.name, row.id) for label in labels]
    near = nearest(tidy(name), names)
    return "" if near is None else f"; did you mean {shown(near)}?"
