"""`serve`: a checkpoint behind the HTTP protocol of ReconVLA's released server."""

from __future__ import annotations

import click

from commands.model_options import HELP, crop_option, detector_option, precision_option, refuse_crop
from commands.named_checkpoint import find_named, holds_openvla
from commands.options import home_option, resolve_home, threads_option
from commands.place_type import Named
from errors import Stopped
from settings.streams import say


@click.command("serve", help=f"Answer the official policy-server protocol with CHECKPOINT: {HELP}.")
@click.argument("words", nargs=-1, required=True, type=Named("model"), metavar="CHECKPOINT")
@home_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=9097, show_default=True, type=click.IntRange(0, 65535), help="0: any free one."
)
@click.option("--batch", default=8, show_default=True, type=click.IntRange(1), help="Rows of a forward pass.")
@precision_option
@threads_option
@detector_option
@click.option(
    "--official-compat", is_flag=True, help="Compose pictures as the released server does (167 rows each)."
)
@click.option(
    "--statistics",
    metavar="NAME",
    default=None,
    help="Data set whose units an OpenVLA's actions have [default: its only one].",
)
@crop_option
@click.pass_context
def command(
    context: click.Context,
    words: tuple[str, ...],
    home_path: str | None,
    host: str,
    port: int,
    batch: int,
    detector: str,
    precision: str,
    threads: int,
    official_compat: bool,
    statistics: str | None,
    center_crop: bool | None,
) -> None:
    from policies.registry import ModelPolicySpec, OpenVLAFolder, open_policy
    from policies.server import need_address, serve
    from tasks.fixed_state import FixedState

    checkpoint = " ".join(words)
    spec: ModelPolicySpec
    if holds_openvla(checkpoint):
        spec = OpenVLAFolder(checkpoint, statistics, precision, center_crop)
    else:
        refuse_crop(center_crop, checkpoint)
        found = find_named(resolve_home(context, home_path), checkpoint)
        spec = found.policy(precision, batch, detector, official_compat)
    need_address(host, port)
    say(f"loading {checkpoint}", error=True)
    try:
        policy = open_policy(spec)
    except KeyboardInterrupt:
        again = "nothing was begun, and the same command loads it again"
        raise Stopped(f"stopped by SIGINT while {checkpoint} was loaded; {again}") from None
    FixedState().establish(threads)
    serve(
        policy.predict,
        host,
        port,
        ready=lambda bound: say(f"{checkpoint} answers at http://{host}:{bound}/predict", now=True),
    )
