"""`serve`: a checkpoint behind the HTTP protocol of ReconVLA's released server."""

from __future__ import annotations

import click

from commands.checkpoint import HELP, open_named
from commands.options import home_option, resolve_home


@click.command("serve", help=f"Answer the official policy-server protocol with CHECKPOINT: {HELP}.")
@click.argument("checkpoint")
@home_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=9097, show_default=True, type=click.IntRange(0, 65535), help="0: any free one."
)
@click.option("--batch", default=8, show_default=True, type=click.IntRange(1), help="Rows of a forward pass.")
@click.option(
    "--detector", default="colour", show_default=True, help="For a model that is shown gaze regions."
)
@click.option(
    "--official-compat", is_flag=True, help="Compose pictures as the released server does (167 rows each)."
)
@click.pass_context
def command(
    context: click.Context,
    checkpoint: str,
    home_path: str | None,
    host: str,
    port: int,
    batch: int,
    detector: str,
    official_compat: bool,
) -> None:
    home = resolve_home(context, home_path)
    model, recipe = open_named(home, checkpoint)
    from tasks.policy_server import serve
    from tasks.standalone import policy_of

    policy = policy_of(model, recipe, batch, detector, official_compat)
    serve(
        policy.predict,
        host,
        port,
        ready=lambda bound: print(f"{checkpoint} answers at http://{host}:{bound}/predict", flush=True),
    )
