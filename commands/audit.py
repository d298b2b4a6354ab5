"""`audit`: do a sample of the stored work again and compare digests."""

from __future__ import annotations

import json
import os
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.options import existing_home, home_option
from errors import EnvironmentLacks, InvalidInput
from settings.shown import shown
from settings.streams import say
from settings.whole_numbers import whole_number

if TYPE_CHECKING:
    from settings.home import Home


@click.command("audit")
@home_option
@click.argument("ablation", required=False)
@click.option("--slices", default="3", metavar="K|all", help="Slices of training to do again.  [default: 3]")
@click.option("--others", default="3", metavar="K|all", help="Jobs of other kinds to do again.  [default: 3]")
@click.option("--seed", type=int, default=None, help="Of the sample.  [default: drawn anew]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def command(
    context: click.Context,
    home_path: str | None,
    ablation: str | None,
    slices: str,
    others: str,
    seed: int | None,
    as_json: bool,
) -> int:
    """Hash all that was made, and do a random sample again: slices of training, and jobs of every other kind by turns.

    At the end stands how much of each kind that was, and how much of the rest it speaks for.

    Each piece of work is done as its worker did it: with its threads, device and variables. Exit code 1 when other
    bytes or figures come out, or bytes are damaged; 3 when something cannot be compared here, as work of another
    processor, GPU or library version may differ in its last bits.
    """
    from db import code, queries
    from db.absent import no_ablation
    from db.migrate import look_at_state
    from db.shared_store import open_store
    from views.bytes_bar import bytes_bar
    from workers import audit

    counts = [_count("--slices", slices), _count("--others", others)]
    if counts == [0, 0]:
        raise InvalidInput(
            "--slices 0 and --others 0 leave nothing to do again; artifacts verify hashes alone"
        )
    home = existing_home(context, home_path)
    database = look_at_state(home, thorough=True)
    row = queries.ablation_row(database, ablation)
    if row is None:
        raise InvalidInput(no_ablation(database, ablation) if ablation else "nothing is there")

    code.need_allowed(database, [row.id] if ablation else [one.id for one in queries.ablation_rows(database)])

    def show(finding: audit.Finding) -> None:
        if not as_json:
            say(
                f"{finding.verdict:<14}  {finding.unit}{f': {finding.why}' if finding.why else ''}",
                now=True,
            )

    with bytes_bar("hashing") as on_bytes, _workplace(home) as (scratch, log):
        drawn = random.SystemRandom().randrange(2**31) if seed is None else seed
        findings, strata = audit.audit(
            database,
            open_store(home, database),
            row.id if ablation else None,
            scratch,
            log,
            slices=counts[0],
            others=counts[1],
            seed=drawn,
            on_finding=show,
            on_bytes=on_bytes,
        )
    database.close()
    totals = Counter(finding.verdict for finding in findings)
    if as_json:
        names = (audit.EQUAL, audit.DIFFERENT, audit.DAMAGED, audit.NOT_COMPARABLE)
        say(json.dumps({"checked": len(findings), **{name.replace(" ", "_"): totals[name] for name in names},
                          "seed": drawn,
                          "sampled": [asdict(one) | {"bad_at_most": one.bad_at_most} for one in strata],
                          "findings": [asdict(finding) for finding in findings]}))  # fmt: skip
    else:
        for stratum in strata:
            say(stratum.sentence)
        say(f"Sample of seed {drawn}.")
    if totals[audit.DIFFERENT] or totals[audit.DAMAGED]:
        return 1
    if not findings:
        raise InvalidInput("nothing of what was asked for has been made yet: nothing was compared")
    if totals[audit.NOT_COMPARABLE]:
        raise EnvironmentLacks(
            f"{totals[audit.NOT_COMPARABLE]} of {len(findings)} could not be compared here; "
            "each says why, and what another machine made is compared there"
        )
    return 0


@contextmanager
def _workplace(home: Home) -> Iterator[tuple[Path, Path]]:
    """Where the work is done again, and what it prints: in the home, or elsewhere for one that can only be read."""
    from db.store import ArtifactStore

    if os.access(home.logs, os.W_OK) and os.access(home.scratch, os.W_OK):
        with ArtifactStore(home).scratch("audit") as folder:  # held, or `artifacts gc` would take it away
            yield folder / "again", home.logs / "audit.log"
        return
    with tempfile.TemporaryDirectory(prefix="baton-audit-") as folder:
        yield Path(folder) / "audit", Path(folder) / "audit.log"


def _count(option: str, text: str) -> int | None:
    """A number, or None for all."""
    if text == "all":
        return None
    number = whole_number(text)
    if number is None:
        raise InvalidInput(f"{option} {shown(text)} is neither a number nor all")
    return number
