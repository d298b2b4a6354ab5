"""`report`: write an ablation's report from the rows there are now."""

from __future__ import annotations

from pathlib import Path

import click

from commands.options import existing_home, home_option
from commands.place_type import PLACE
from settings.streams import say_to_who_waits


@click.command("report")
@home_option
@click.argument("ablations", nargs=-1, metavar="[ABLATION]...")
@click.option(
    "--out",
    type=PLACE,
    metavar="DIR",
    help="Write the files here. [default: in reports/]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report's JSON document.")
@click.pass_context
def command(
    context: click.Context, home_path: str | None, ablations: tuple[str, ...], out: Path | None, as_json: bool
) -> None:
    """Write HTML, JSON, CSV and PNG into `reports/`; what is not measured yet is shown as such.

    Several ablations are compared over the sequences that all of them have; they must agree in data and evaluation.
    What two of them share, trained and judged alike, is one row.

    A home that cannot be written is reported on all the same, into another folder (--out).
    """
    if not as_json:
        say_to_who_waits("writing the report ...")
    from commands.show import print_report, write_report
    from db.migrate import look_at_state

    home = existing_home(context, home_path)
    database = look_at_state(home)
    print_report(write_report(home, database, ablations, out), as_json)
    database.close()
