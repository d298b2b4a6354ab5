"""Baton's command line. Commands live in `commands/`; nothing heavy is imported until one runs."""

from __future__ import annotations

import sys

#: Commands that run a home.
_RUNNING = frozenset({"up", "submit-ablation"})


def _runs_a_home() -> bool:
    """Whether a word of the command line names a command that runs a home (or a file that is called so)."""
    return not _RUNNING.isdisjoint(sys.argv)


if __name__ == "__main__" and _runs_a_home():
    from commands.stopping import catch, leave_at_once

    catch(leave_at_once)  # before anything that takes time is imported

import gc

gc.disable()  # while modules are loaded: what that makes stays, and no collection need look through it, now or later

import importlib
from itertools import pairwise
from typing import Any


def _is_hidden(error: ImportError) -> int | None:
    """The exit code, and one sentence, where Python found a module of somebody else's under the name of one of ours."""
    from pathlib import Path

    name, ours = (error.name or "").partition(".")[0], Path(__file__).resolve().parent
    other = getattr(sys.modules.get(name), "__file__", None)
    if other is None or Path(other).resolve().is_relative_to(ours):
        return None
    if not (ours / name).exists() and not (ours / f"{name}.py").exists():
        return None
    sentence = f"Python finds {other!r} where Baton's own {name} was meant"
    print(
        f"error: {sentence}; take its folder out of PYTHONPATH, or type this in another one", file=sys.stderr
    )
    return 3


try:
    try:
        import click
    except ModuleNotFoundError:
        from commands.without_environment import say_how

        sys.exit(say_how())

    from commands.groups import Suggesting
    from errors import BatonError, StateDamaged
    from settings.arithmetic import fix_variables
    from settings.ending import end_at_once, flushed
    from settings.streams import is_unread, mend_streams, say
    from settings.typed import HOME_KEY, program, typed
except ImportError as error:
    if (code := _is_hidden(error)) is None:
        raise
    sys.exit(code)
gc.freeze()
gc.enable()

#: What click says of a text where a number between two others stands.
_NO_NUMBERS = {
    "is not a valid integer range": "is no whole number",
    "is not a valid float range": "is no number",
}

#: command -> (module, or module:attribute, and what it does). Help comes from here, so that it needs no import.
COMMANDS = {
    "submit-ablation": ("commands.submit", "Plan an ablation and run it to the end (or --detach)."),
    "plan": ("commands.plan", "Show what submit-ablation would do; writes nothing."),
    "up": ("commands.up", "Start broker, scheduler and workers; go on with whatever is unfinished."),
    "status": ("commands.status", "Show ablations, runs, jobs, workers and sessions."),
    "logs": ("commands.logs", "Show one job: attempts, losses, events, what it printed."),
    "report": ("commands.report", "Write the report: HTML, JSON, CSV, PNG and LaTeX."),
    "artifacts": ("commands.artifacts", "List what was made, verify it, or free space (gc)."),
    "checkpoint": ("commands.checkpoint", "Export final weights in Hugging Face layout."),
    "bundle": ("commands.bundle", "Carry a home to another machine: export, import."),
    "events": ("commands.events", "Show what happened, newest last."),
    "pause": ("commands.control:pause", "Stop an ablation, run or job at its next step, with all saved."),
    "unpause": ("commands.control:unpause", "Let what was paused go on."),
    "cancel": ("commands.control:cancel", "End an ablation, run or job for good (until retry)."),
    "retry": ("commands.control:retry", "Try what failed or was cancelled again."),
    "ablation": ("commands.ablation", "Call an ablation otherwise, or remove it with what only it needs."),
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


class LazyGroup(Suggesting):
    """Imports a command's module when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        import settings.machine_errors  # noqa: F401  # while open files and memory are left to read it

        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name or "command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        _need_no_empty_word(args)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Whatever goes wrong over a damaged state is told as that; who reads no further ends a command well."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:  # which click would end with 1, and without a word
            if is_unread():
                raise click.exceptions.Exit(0) from error
            raise RuntimeError("a process that this command speaks to went away") from error
        except (BatonError, click.ClickException, click.exceptions.Exit, click.Abort, OSError, MemoryError):
            raise
        except Exception as error:
            if (home := ctx.meta.get(HOME_KEY)) is not None:
                from commands.travelled import told_of_foreign_rows
                from db.soundness import need_sound_state

                try:
                    need_sound_state(home)
                except StateDamaged as damage:
                    raise damage from error
                if (refused := told_of_foreign_rows(home, error)) is not None:
                    raise refused from error
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _need_no_empty_word(words: list[str]) -> None:
    """What a shell makes of an unset variable (`--data "$DATA"`) would pass for nothing asked. Raises UsageError."""
    for before, word in pairwise(words):
        option, equals, value = word.partition("=")
        if word == "":
            named = before if before.startswith("-") else f"what follows {before!r}"
        elif option.startswith("--") and equals and not value:
            named = option
        else:
            continue
        raise click.UsageError(f"{named} is empty; give it a value, or leave it out")


def _tell_version(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        from importlib.metadata import version

        say(f"Baton {version('baton-queue')}")
        context.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_tell_version,
    help="Show the version and exit.",
)
@click.option("--home", metavar="DIR", help="Home folder [default: $BATON_HOME or ./baton-home].")
@click.pass_context
def cli(context: click.Context, home: str | None) -> None:
    """Baton runs ReconVLA ablations on machines that get taken away."""
    context.obj = home


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns the exit code; users' mistakes are one sentence, never a traceback."""
    if arguments is None and _runs_a_home():
        from commands.stopping import caught, leave_at_once

        with caught(leave_at_once):
            end_at_once(main(sys.argv[1:]))
    mend_streams()
    fix_variables()  # no figure depends on the shell; libraries read this when a command imports them
    return flushed(_code_of(arguments))


def _code_of(arguments: list[str] | None) -> int:
    try:
        result = cli.main(arguments, prog_name=program(), standalone_mode=False)
    except BatonError as error:
        return _refused(error)
    except (
        click.exceptions.NoArgsIsHelpError
    ) as error:  # a group without a command: its help is several lines
        for line in error.format_message().splitlines():
            say(line, error=True)
        return 2
    except click.ClickException as error:
        message = " ".join(error.format_message().split())
        for theirs, ours in _NO_NUMBERS.items():
            message = message.replace(theirs, ours)
        if isinstance(error, click.MissingParameter) and error.ctx is not None:
            words = error.ctx.command_path.removeprefix(f"{program()} ")
            message = f"{message.rstrip('.')}; what it takes: {typed(f'{words} --help')}"
        say(f"error: {message}", error=True)
        return 2
    except (click.Abort, KeyboardInterrupt) as error:
        say(f"error: {_why_it_stopped(error)}", error=True)
        return 4
    except SystemExit:
        if is_unread():  # click's own answer to that, while it prints help
            return 0
        raise
    except ImportError as error:
        if (code := _is_hidden(error)) is not None:
            return code
        from commands.without_environment import NEEDED, say_how

        lacks = str(error.name).partition(".")[0]
        if not isinstance(error, ModuleNotFoundError) or lacks not in NEEDED:
            raise
        return say_how(lacks)
    except (OSError, MemoryError) as error:
        from settings.machine_errors import told

        machine = told(error)
        if machine is None:
            raise
        return _refused(machine)
    return result if isinstance(result, int) else 0


def _why_it_stopped(error: click.Abort | KeyboardInterrupt) -> str:
    """Of commands that keep nothing to go on from: others say themselves what they saved."""
    if isinstance(error, click.Abort) and not isinstance(error.__cause__, KeyboardInterrupt):
        return "not confirmed, so nothing was changed"
    return "stopped by SIGINT; the same command begins anew"


def _refused(error: BatonError) -> int:
    from settings.machine_errors import gone_folder

    say(f"error: {error}{gone_folder(str(error))}", error=True)
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
