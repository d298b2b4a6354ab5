"""Groups of commands that tell who mistypes one which it may have been."""

from __future__ import annotations

import click


class Suggesting(click.Group):
    """As click's, with the nearest name in the sentence."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from settings.suggestions import did_you_mean

            near = did_you_mean(args[0], self.list_commands(ctx))
            raise click.UsageError(f"{error.message.rstrip('.')}{near}", ctx) from None
