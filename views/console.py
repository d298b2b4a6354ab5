"""Rich's console, for the commands."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, Any

from rich import console
from rich.segment import Segment
from rich.text import Text

from settings.shown import plain
from settings.streams import PlainStream


class Console(console.Console):
    """As Rich's, but that texts are nothing but texts: no markup, no escapes of a terminal; and that nobody reads any
    more ends nothing, as with `settings.streams.say`: Rich would end the command with exit code 1, whatever its work
    came to."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False} | options)

    @property
    def file(self) -> IO[str]:
        """What is drawn goes to the stream itself, past what shows a terminal's escapes as texts."""
        file = super().file
        return file.behind if isinstance(file, PlainStream) else file

    @file.setter
    def file(self, new_file: IO[str]) -> None:
        self._file = new_file

    def render_str(self, text: str, **options: Any) -> Text:
        """Before it is measured, so that a column has room for what is shown of it."""
        return super().render_str(plain(text), **options)

    def render(
        self, renderable: console.RenderableType, options: console.ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else plain(text), style, control)

    def on_broken_pipe(self) -> None:
        """Says nothing from then on."""
        self.quiet = True
