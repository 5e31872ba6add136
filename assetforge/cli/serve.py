"""assetforge serve."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assetforge.cli.output import say
from assetforge.errors import PluginError, UsageError

if TYPE_CHECKING:
    from assetforge.serve.access import Access
    from assetforge.serve.project import Place
    from assetforge.serve.server import Address
_RIGHTS = ("view", "upload", "retry")
_FILE = "serve.json"


@click.command("serve")
@click.argument("pipeline", type=click.Path(path_type=Path), required=False)
@click.option("--profile", default="", metavar="NAME", help="One of the pipeline's profiles.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path("starter"),
    show_default=True,
    help="Without PIPELINE: where the pipelines to begin with are kept.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8765, show_default=True, type=click.IntRange(0, 65535), help="0 is any that is free.")
@click.option("--host-name", "names", multiple=True, metavar="NAME", help="Another name that browsers call it by.")
@click.option("--tls-cert", type=click.Path(path_type=Path, exists=True), help="Certificate, for TLS.")
@click.option("--tls-key", type=click.Path(path_type=Path, exists=True), help="Its key.")
@click.option("--behind-proxy", is_flag=True, help="A proxy does TLS, and passes the header Host on.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option(
    "--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes that compute on each device."
)
@click.option("--new-token", metavar="NAME", help="Print a token for scripts of this name, and end.")
@click.option("--may", default=",".join(_RIGHTS), show_default=True, help="With --new-token: what it allows.")
def command(  # noqa: PLR0913  as many options as users need
    pipeline: Path | None,
    profile: str,
    folder: Path,
    host: str,
    port: int,
    names: tuple[str, ...],
    tls_cert: Path | None,
    tls_key: Path | None,
    behind_proxy: bool,
    device: str,
    workers: int,
    new_token: str | None,
    may: str,
) -> None:
    """Show a pipeline in the browser, and take uploads: a page, and an API for scripts.

    It starts `assetforge watch`, unless that runs already, and prints an address that logs your browser in. Without
    PIPELINE, it offers a few to begin with: drop a photograph or a texture, and get maps.
    """  # fmt: skip
    _check_installed()
    from assetforge.serve.access import Access
    from assetforge.serve.project import Place
    from assetforge.serve.server import Address
    from assetforge.serve.starter import starter_places

    if (tls_cert is None) != (tls_key is None):
        raise UsageError("--tls-cert", "needs --tls-key, and the other way round", "give both")
    address = Address(host, port, names, tls_cert, tls_key, behind_proxy)
    address.check()
    places = starter_places(folder) if pipeline is None else [Place(pipeline.stem, pipeline, profile)]
    access = Access((folder / ".assetforge" if pipeline is None else places[0].state) / _FILE)
    if new_token is not None:
        click.echo(access.new_token(new_token, _rights(may)))
        return
    _serve(places, access, address, ("--device", device, "--workers", str(workers)), is_starter=pipeline is None)


def _serve(
    places: list[Place], access: Access, address: Address, arguments: tuple[str, ...], *, is_starter: bool
) -> None:
    from assetforge.serve.access import RIGHTS, User
    from assetforge.serve.limits import ServeLimits
    from assetforge.serve.project import Project
    from assetforge.serve.server import bind, entry, serve
    from assetforge.serve.service import Service

    listening = bind(address)
    limits = ServeLimits()
    port = listening.getsockname()[1]
    projects = [Project(one, limits, arguments) for one in places]
    service = Service(projects, access, limits, secure=address.secure, port=port)
    if is_starter:  # a daemon for what is chosen, and not for all
        for project in service.projects.values():
            project.wanted = False
    code = access.new_code(User("you", RIGHTS))
    say(f"open {entry(address, port, code)}")
    say("this address works once, within ten minutes; Ctrl-C ends")
    serve(service, address, listening)


def _rights(may: str) -> Any:  # tuple[Right, ...], which is imported with the server alone
    rights = tuple(part.strip() for part in may.split(","))
    for one in rights:
        if one not in _RIGHTS:
            raise UsageError("--may", f"{one!r} is no right", f"write some of {','.join(_RIGHTS)}")
    return rights


def _check_installed() -> None:
    if missing := [name for name in ("starlette", "uvicorn") if find_spec(name) is None]:
        raise PluginError("serve", f"needs the package {missing[0]}", "run `pip install 'assetforge[serve]'`")
