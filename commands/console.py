"""Rich's console, for the commands."""

from __future__ import annotations

import errno
import os

from rich import console


class Console(console.Console):
    """As Rich's, but that nobody reads any more is an error as any other: Rich would end the command with exit code 1,
    whatever its work came to, and close its standard output."""

    def on_broken_pipe(self) -> None:
        """Raises BrokenPipeError, where Rich caught it."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
