"""assetforge serve."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assetforge.cli.options import confine_options
from assetforge.cli.output import say
from assetforge.errors import PluginError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assetforge.pipeline.confinement import Confinement
    from assetforge.serve.access import Access, Right
    from assetforge.serve.project import Place
    from assetforge.serve.server import Address
_RIGHTS = ("view", "upload", "retry")
"""What is allowed where nothing is said; `admin` has to be."""
_FILE = "serve.json"
_PHONE = "phone"
"""Who enters by the code that is scanned; a new token of this name ends all of their sessions."""


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
@click.option("--host", metavar="ADDRESS", help="Listen there, and not on 127.0.0.1, or with --lan in the network.")
@click.option("--port", default=8765, show_default=True, type=click.IntRange(0, 65535), help="0 is any that is free.")
@click.option("--uds", type=click.Path(path_type=Path), help="Listen on a Unix socket that you alone can open.")
@click.option("--host-name", "names", multiple=True, metavar="NAME", help="Another name that browsers call it by.")
@click.option("--tls-cert", type=click.Path(path_type=Path, exists=True), help="Certificate, for TLS.")
@click.option("--tls-key", type=click.Path(path_type=Path, exists=True), help="Its key.")
@click.option("--behind-proxy", is_flag=True, help="A proxy does TLS, and passes the header Host on.")
@click.option("--lan", is_flag=True, help="Let phones in: listen in the network, by TLS, and show a code to scan.")
@click.option("--no-tls", is_flag=True, help="With --lan: who is in the network may read along.")
@click.option(
    "--private", is_flag=True, help="Let users see what they have uploaded, and nothing else; admin sees all."
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option(
    "--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes that compute on each device."
)
@confine_options
@click.option("--new-token", metavar="NAME", help="Print a token for scripts of this name, and end.")
@click.option("--may", default=",".join(_RIGHTS), show_default=True, help="With --new-token or --lan: what is allowed.")
def command(  # noqa: PLR0913  as many options as users need
    pipeline: Path | None,
    profile: str,
    folder: Path,
    host: str | None,
    port: int,
    uds: Path | None,
    names: tuple[str, ...],
    tls_cert: Path | None,
    tls_key: Path | None,
    behind_proxy: bool,
    lan: bool,
    no_tls: bool,
    private: bool,
    device: str,
    workers: int,
    confinement: Confinement | None,
    new_token: str | None,
    may: str,
) -> None:
    """Show a pipeline in the browser, and take uploads: a page, and an API for scripts.

    It starts `assetforge watch`, unless that runs already, and prints an address that logs your browser in. Without
    PIPELINE, it offers a few to begin with: drop a photograph or a texture, and get maps.
    """  # fmt: skip
    _check_installed(("starlette", "uvicorn", *(("segno",) if lan else ())))
    from assetforge.serve.access import Access
    from assetforge.serve.lan import lan_address, own_certificate
    from assetforge.serve.project import Place
    from assetforge.serve.server import Address
    from assetforge.serve.starter import starter_places

    if (tls_cert is None) != (tls_key is None):
        raise UsageError("--tls-cert", "needs --tls-key, and the other way round", "give both")
    if no_tls and (not lan or tls_cert is not None):
        raise UsageError("--no-tls", "is for --lan without a certificate", "leave it out")
    if lan and behind_proxy:
        raise UsageError("--lan", "lets devices in without a proxy", "leave --behind-proxy out")
    if uds is not None and (host is not None or lan or tls_cert is not None):
        raise UsageError("--uds", "takes the place of an address, and of TLS", "leave --host, --lan and --tls-cert out")
    host = host or (lan_address() if lan else "127.0.0.1")
    address = Address(host, port, names, tls_cert, tls_key, behind_proxy, lan, uds)
    address.check()
    places = starter_places(folder) if pipeline is None else [Place(pipeline.stem, pipeline, profile)]
    _check_confined(places, confinement)
    state = folder / ".assetforge" if pipeline is None else places[0].state
    access = Access(state / _FILE)
    if new_token is not None:
        click.echo(access.new_token(new_token, _rights(may)))
        return
    if lan and not no_tls and tls_cert is None:
        address = replace(address, certificate=own_certificate(state, (host, *names)))
    arguments = ("--device", device, "--workers", str(workers), *_confining(confinement))
    _serve(places, access, address, arguments, _rights(may), is_starter=pipeline is None, private=private)


def _check_confined(places: Sequence[Place], confinement: Confinement | None) -> None:
    """Raise UsageError where a state may not be where a pipeline says; the daemon sees to all else."""
    if confinement is None:
        return
    for place in places:
        if not confinement.holds(place.state):
            raise UsageError(str(place.file), f"state: {confinement.refusal}", "leave it out")


def _confining(confinement: Confinement | None) -> tuple[str, ...]:
    """Return the arguments that confine the daemon, too."""
    if confinement is None:
        return ()
    return ("--confine", str(confinement.folder), *(f"--allow={one}" for one in sorted(confinement.allowed)))


def _serve(
    places: list[Place],
    access: Access,
    address: Address,
    arguments: tuple[str, ...],
    may: tuple[Right, ...],
    *,
    is_starter: bool,
    private: bool,
) -> None:
    from assetforge.serve.access import RIGHTS, User
    from assetforge.serve.limits import ServeLimits
    from assetforge.serve.project import Project
    from assetforge.serve.server import bind, entry, port_of, serve
    from assetforge.serve.service import Service

    listening = bind(address)
    limits = ServeLimits()
    port = port_of(listening)
    projects = [Project(one, limits, arguments, private=private) for one in places]
    service = Service(projects, access, limits, secure=address.secure, port=port)
    if is_starter:  # a daemon for what is chosen, and not for all
        for project in service.projects.values():
            project.wanted = False
    say(f"open {entry(address, port, access.new_code(User('you', RIGHTS)))}")
    if address.lan:
        _invite(entry(address, port, access.new_code(User(_PHONE, may))), address)
    say("this address works once, within ten minutes; Ctrl-C ends")
    serve(service, address, listening)


def _invite(entry: str, address: Address) -> None:
    """Say how a phone gets in: by a code that it scans, with a login of its own."""
    from assetforge.serve.lan import fingerprint
    from assetforge.serve.qr_code import BLOCKS, qr_code

    say("on a phone in this network, scan this or open it")
    encoding = sys.stdout.encoding
    if sys.stdout.isatty() and BLOCKS.encode(encoding, "replace").decode(encoding) == BLOCKS:
        click.echo(qr_code(entry))
    say(entry)
    if address.certificate is None:
        say("there is no TLS: who is in this network can read along, and do as the phone does", "yellow")
    elif address.key is None:  # made here, both in one file
        say(f"its browser warns, as nobody vouches for the certificate: SHA-256 {fingerprint(address.certificate)}")


def _rights(may: str) -> tuple[Right, ...]:
    from assetforge.serve.access import RIGHTS

    names = [part.strip() for part in may.split(",")]
    for one in names:
        if one not in RIGHTS:
            raise UsageError("--may", f"{one!r} is no right", f"write some of {','.join(RIGHTS)}")
    return tuple(one for one in RIGHTS if one in names)


def _check_installed(packages: Sequence[str]) -> None:
    if missing := [name for name in packages if find_spec(name) is None]:
        raise PluginError("serve", f"needs the package {missing[0]}", "run `pip install 'assetforge[serve]'`")
