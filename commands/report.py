"""`report`: write an ablation's report from the rows there are now."""

from __future__ import annotations

import click

from commands.options import existing_home, home_option


@click.command("report")
@home_option
@click.argument("ablation", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the report's JSON document.")
@click.pass_context
def command(context: click.Context, home_path: str | None, ablation: str | None, as_json: bool) -> None:
    """Write HTML, JSON, CSV and PNG into `reports/`; what is not measured yet is shown as such."""
    from commands.show import print_report
    from db.migrate import open_state

    home = existing_home(context, home_path)
    database = open_state(home)
    print_report(home, database, ablation, as_json)
    database.close()
