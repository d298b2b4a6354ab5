"""Rich's console, for the commands."""

from __future__ import annotations

from rich import console


class Console(console.Console):
    """As Rich's, but that nobody reads any more ends nothing, as with `settings.streams.say`: Rich would end the
    command with exit code 1, whatever its work came to."""

    def on_broken_pipe(self) -> None:
        """Says nothing from then on."""
        self.quiet = True
