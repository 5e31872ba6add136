"""The command line. One command a file; a command's file is imported when it is called."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

INTERRUPTED, UNREAD = 130, 141

COMMANDS: Mapping[str, str] = {
    "run": "Build what is out of date, and nothing else.",
    "watch": "Build what arrives, as it arrives.",
    "plan": "Show what a run would do, and why.",
    "why": "Explain one asset: what it is made of, what is up to date, and why not.",
    "status": "Show what is being built, what is quarantined and why, and how the last run ended.",
    "store": "Look after the results that are kept: how many, which to drop, whether all are whole.",
    "check": "Check a pipeline file and list every mistake in it.",
    "inspect": "Tell what materials a folder holds, by the names of its files, and what is ambiguous.",
    "steps": "List the steps, or explain one.",
    "plugins": "List the plugins, and what is wrong with broken ones.",
    "weights": "List the weights of networks, or add some.",
    "train": "Train a network by a plugin's recipe, or list the recipes.",
    "schema": "Print the JSON schema of pipeline files, for editors.",
    "samples": "Write procedural sample textures.",
    "new": "Write the beginnings of a plugin or a pipeline.",
    "doctor": "Tell the device, versions, weights and what is missing.",
}
"""Every command with its first line, so that --help imports none of them."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            from assetforge.errors import did_you_mean

            raise click.UsageError(f"there is no command {name!r}; {did_you_mean(name, COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="assetforge", prog_name="assetforge")
def cli() -> None:
    """AssetForge: `make` for textures.

    Exit codes: 0 all is up to date, 1 an asset failed, 2 the command line or the pipeline is wrong, 3 a plugin or the
    environment is broken, 4 nothing failed now but quarantined assets were skipped, 130 interrupted.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code. Errors that a user can cause are text, not tracebacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal of few characters is no reason to fail
    sys.exit(_run(arguments))


def _run(arguments: list[str] | None) -> int:
    try:
        result: Any = cli.main(arguments, prog_name="assetforge", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("interrupted; the next run goes on from here", err=True)
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (Exception, SystemExit) as error:  # noqa: BLE001  a defect is raised again there
        return _failed(error)
    return result if isinstance(result, int) else 0


def _failed(error: BaseException) -> int:
    """Say what went wrong, and return the exit code; a defect of AssetForge is raised again, to show where it is."""
    from assetforge.errors import AssetForgeError, PluginError

    if isinstance(error, SystemExit):  # we never raise it
        error = PluginError("a plugin", "ended the program", "run `assetforge plugins`, and remove what calls `exit`")
    if not isinstance(error, AssetForgeError):
        raise error
    click.echo(str(error), err=True)
    return error.exit_code
