"""All commands in one. One command a file; a command's file is imported when it is called."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any

import click

from assetforge.cli.installed import may_have_others
from assetforge.commands import COMMANDS, Command
from assetforge.snapshot import Occasion

INTERRUPTED, UNREAD = 130, 141
_GOING_ON = ("run", "train", "watch")
"""Commands that go on from where they were interrupted; others begin anew."""


@cache
def _added() -> Mapping[str, Command]:
    """Return the commands of the installed plugins; those of a project add none, as it may be a stranger's."""
    if not may_have_others():
        return {}
    from assetforge.plugins import load

    return load(words=()).commands


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return [*COMMANDS, *_added()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return _of_plugin(_added()[cmd_name]) if cmd_name in _added() else None
        command: click.Command = import_module(f"assetforge.cli.{cmd_name}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # whoever read our output wants no more of it
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return UNREAD

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))
        if _added():
            with formatter.section("Commands of plugins"):
                formatter.write_dl([(name, command.summary) for name, command in _added().items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and name not in _added():
            from assetforge.errors import did_you_mean

            hint = did_you_mean(name, [*COMMANDS, *_added()])
            raise click.UsageError(f"there is no command {name!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)


def _of_plugin(added: Command) -> click.Command:
    """Import a plugin's command; raise PluginError where that is not possible."""
    from assetforge.errors import blamed_on

    with blamed_on(f"command {added.name!r}", f"loading it from {added.target}"):
        module, _, attribute = added.target.partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"it is a {type(command).__name__}; decorate it with @click.command()")
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="assetforge", prog_name="assetforge")
def cli() -> None:
    """AssetForge: `make` for textures.

    Exit codes: 0 all is up to date, 1 an asset failed, 2 the command line or the pipeline is wrong, 3 a plugin or the
    environment is broken, 4 nothing failed now but quarantined assets were skipped, 130 interrupted.
    """


def run(arguments: Sequence[str], occasion: Occasion | None = None) -> int:
    """Run a command and return its exit code. Errors that a user can cause are text, not tracebacks.

    occasion: given to a run, so that it may spare the next one that has nothing to do.
    """
    try:
        result: Any = cli.main(list(arguments), prog_name="assetforge", standalone_mode=False, obj=occasion)
    except click.exceptions.Abort:
        goes_on = any(word in _GOING_ON for word in arguments[:1])
        click.echo("interrupted; the next run goes on from here" if goes_on else "interrupted", err=True)
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (Exception, SystemExit) as error:  # noqa: BLE001  a defect is raised again there
        return _failed(error)
    return result if isinstance(result, int) else 0


def _folder_is_gone() -> bool:
    """Tell whether the current folder was removed: then no relative path leads anywhere."""
    try:
        os.getcwd()  # noqa: PTH109
    except FileNotFoundError:
        return True
    return False


def _failed(error: BaseException) -> int:
    """Say what went wrong, and return the exit code; a defect of AssetForge is raised again, to show where it is."""
    from assetforge.errors import AssetForgeError, PluginError, UsageError

    if isinstance(error, FileNotFoundError) and _folder_is_gone():
        error = UsageError("the current folder", "was removed", "go to one that is there")
    if isinstance(error, SystemExit):  # we never raise it
        error = PluginError("a plugin", "ended the program", "run `assetforge plugins`, and remove what calls `exit`")
    if not isinstance(error, AssetForgeError):
        raise error
    click.echo(str(error), err=True)
    return error.exit_code
