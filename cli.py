"""Baton's command line. Commands live in `commands/`; nothing heavy is imported until one runs."""

from __future__ import annotations

import sys

from commands.stopping import catch, caught, leave_at_once, runs_a_home

if __name__ == "__main__" and runs_a_home(sys.argv):
    catch(leave_at_once)  # before anything that takes time is imported

import contextlib
import errno
import importlib
import os
from pathlib import Path
from typing import Any

import click

from errors import BatonError, DiskFull, EnvironmentLacks
from settings.arithmetic import fix_variables
from settings.ending import end_at_once
from settings.faults import SHORTAGES, is_unreadable
from settings.home import HOME_KEY
from settings.ownership import refusal
from settings.streams import mend_streams
from settings.typed import program, typed

#: command -> (module, or module:attribute, and what it does). Help comes from here, so that it needs no import.
COMMANDS = {
    "submit-ablation": ("commands.submit", "Plan an ablation and run it to the end (or --detach)."),
    "up": ("commands.up", "Start broker, scheduler and workers; go on with whatever is unfinished."),
    "status": ("commands.status", "Show ablations, runs, jobs, workers and sessions."),
    "logs": ("commands.logs", "Show one job: attempts, losses, events, what it printed."),
    "report": ("commands.report", "Write the report: HTML, JSON, CSV, PNG and LaTeX."),
    "artifacts": ("commands.artifacts", "List what was made, verify it, or free space (gc)."),
    "bundle": ("commands.bundle", "Carry a home to another machine: export, import."),
    "events": ("commands.events", "Show what happened, newest last."),
    "pause": ("commands.control:pause", "Stop an ablation, run or job at its next step, with all saved."),
    "unpause": ("commands.control:unpause", "Let what was paused go on."),
    "cancel": ("commands.control:cancel", "End an ablation, run or job for good (until retry)."),
    "retry": ("commands.control:retry", "Try what failed or was cancelled again."),
    "upgrade": ("commands.upgrade", "Do again with this build what another build of Baton began."),
    "audit": ("commands.audit", "Train, detect and evaluate a random sample again and compare digests."),
    "gaze": ("commands.gaze", "Detect, score and preview gaze regions of a CALVIN dataset."),
    "doctor": ("commands.doctor", "Say what this machine has, what is missing, and how to get it."),
    "data": ("commands.data", "Check, extract or generate a dataset in CALVIN's format."),
    "evaluate": ("commands.evaluate", "Evaluate a checkpoint, server or expert; replay demonstrations."),
    "attention": ("commands.attention", "Show where a checkpoint looks when it acts."),
    "serve": ("commands.serve", "Answer the official policy-server protocol with a checkpoint."),
    "worker": ("commands.worker", "Run one worker process (docker-compose, clusters)."),
    "scheduler": ("commands.scheduler", "Run one scheduler process (docker-compose, clusters)."),
    "health": ("commands.health", "Say whether one service of this machine does its work."),
    "metrics": ("commands.metrics", "Serve figures for Prometheus."),
    "tensorboard": ("commands.tensorboard", "Write event files from the database and serve TensorBoard."),
    "flower": ("commands.flower", "Run Flower, with a password, on what the broker carries."),
}


class LazyGroup(click.Group):
    """Imports a command's module when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name or "command")
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Whatever goes wrong over a damaged state is told as that."""
        try:
            return super().invoke(ctx)
        except (BatonError, click.ClickException, click.exceptions.Exit, click.Abort, OSError):
            raise
        except Exception:
            if (home := ctx.meta.get(HOME_KEY)) is not None:
                from db.soundness import need_sound_state

                need_sound_state(home)
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--home", metavar="DIR", help="Home folder [default: $BATON_HOME or ./baton-home].")
@click.pass_context
def cli(context: click.Context, home: str | None) -> None:
    """Baton runs ReconVLA ablations on machines that get taken away."""
    context.obj = home


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns the exit code; users' mistakes are one sentence, never a traceback."""
    if arguments is None and runs_a_home(sys.argv):
        with caught(leave_at_once):
            end_at_once(main(sys.argv[1:]))
    mend_streams()
    fix_variables()  # no figure depends on the shell; libraries read this when a command imports them
    try:
        result = cli.main(arguments, prog_name=program(), standalone_mode=False)
    except BatonError as error:
        _say(f"error: {error}")
        return error.exit_code
    except click.ClickException as error:
        message = " ".join(error.format_message().split())
        if isinstance(error, click.MissingParameter) and error.ctx is not None:
            words = error.ctx.command_path.removeprefix(f"{program()} ")
            message = f"{message.rstrip('.')}; what it takes: {typed(f'{words} --help')}"
        print(f"error: {message}", file=sys.stderr)
        return 2
    except (click.Abort, KeyboardInterrupt):
        return 4
    except BrokenPipeError:
        return 0
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) and error.filename:
            refused = refusal("use", Path(os.fsdecode(error.filename)))
            _say(f"error: {refused}")
            return refused.exit_code
        if error.errno in SHORTAGES or is_unreadable(error):
            about = f" ({os.fsdecode(error.filename)})" if error.filename else ""
            what = SHORTAGES.get(error.errno or 0)
            short = f"this machine is short of {what}: " if what else "the disk failed: "
            _say(
                f"error: {short}{error.strerror}{about}; what was committed is safe: run the same command again"
            )
            return EnvironmentLacks.exit_code
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = f" ({error.filename})" if error.filename else ""
        _say(f"error: the disk is full{where}; make room and run the same command again")
        return DiskFull.exit_code
    return result if isinstance(result, int) else 0


def _say(message: str) -> None:
    """To standard error, which may itself be a file on the full disk: the exit code still counts."""
    with contextlib.suppress(OSError):
        print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
