"""`doctor`: what this machine has, what is missing, and how to get it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from commands.options import home_option, resolve_home
from commands.place_type import PLACE_TEXT
from settings.shown import one_line
from settings.streams import say, say_to_who_waits
from settings.typed import typed

if TYPE_CHECKING:
    from commands.checks.finding import Finding


@click.command("doctor")
@click.option(
    "--weights",
    type=PLACE_TEXT,
    default=None,
    metavar="PATH",
    help="Try these too: folder or .pth (GroundingDINO).",
)
@home_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def command(context: click.Context, weights: str | None, home_path: str | None, as_json: bool) -> int:
    """Look, change nothing. Exit code 0 when an ablation can run here with the embedded default, and weights that were
    named can be loaded, else 3; 2 when the home's state is damaged."""
    if not as_json:
        say_to_who_waits("looking; what is installed is imported too, which takes a while ...")
    from commands.checks import (
        detectors,
        imports,
        machine,
        network,
        queue,
        science,
        servers,
        session,
        several,
        state,
    )
    from commands.checks.finding import OK

    home = resolve_home(context, home_path)
    of_state, damage = state.findings(home)
    findings = [
        *machine.findings(home),
        *network.findings(home),
        *of_state,
        *queue.findings(),
        *servers.findings(home),
        *session.findings(home),
    ]
    sound = damage is None and all(finding.state == OK for finding in of_state)
    findings += [*imports.findings(), *science.findings(), *several.findings(home, sound)]
    findings += detectors.findings(weights)
    lacking = [finding for finding in findings if finding.needed and finding.state != OK]
    if as_json:
        say(json.dumps({"ready": not lacking, "findings": [asdict(finding) for finding in findings]}))
    else:
        _print(findings)
        if lacking:
            say(f"An ablation cannot run here yet: {', '.join(finding.name for finding in lacking)}.")
        else:
            say(f"An ablation can run here: {typed('submit-ablation', home)}")
    if damage is not None:
        raise damage
    return 3 if lacking else 0


def _print(findings: list[Finding]) -> None:
    from rich.table import Table
    from rich.text import Text

    from views.terminal import show

    table = Table("", "", "", "", box=None, pad_edge=False, show_header=False)
    for finding in findings:
        area, name, state, detail = map(one_line, (finding.area, finding.name, finding.state, finding.detail))
        remedy = f"\n-> {one_line(finding.remedy)}" if finding.remedy else ""
        table.add_row(area, name, state, Text(f"{detail}{remedy}"))
    show(lambda width: table)
