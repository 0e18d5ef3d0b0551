"""The command that serves the app to a browser."""

from __future__ import annotations

import click

from tinv_tui.cli.output import command, print_json
from tinv_tui.errors import InputError

_LEAST_TOKEN = 8


@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on; another needs a token.")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@click.option("--token", default="", envvar="TINV_TOKEN", help="Who does not give it is served nothing. Or TINV_TOKEN.")
def _serve(host: str, port: int, token: str, as_json: bool) -> None:
    """Serve the app to a browser, on this machine alone unless told otherwise.

    From elsewhere, SSH brings it over without opening it to anybody: ssh -L 8000:localhost:8000 HOST.
    """
    try:
        from tinv_tui.cli.web_server import WebServer, is_loopback
    except ModuleNotFoundError as error:
        if error.name not in ("aiohttp", "textual_serve"):
            raise
        hint = "pip install 'tinv-tui[web]'"
        raise InputError("extra-missing", "serve needs textual-serve, which is not installed", hint) from None
    if token and len(token) < _LEAST_TOKEN:
        raise InputError("token-short", f"--token has fewer than {_LEAST_TOKEN} characters", "Give a longer one.")
    if not token and not is_loopback(host):
        hint = "Give --token, or forward a port of 127.0.0.1 with ssh -L: what is served can start and stop runs."
        raise InputError("token-missing", f"--host {host} lets others in, and there is no token", hint)
    if as_json:
        print_json({"url": f"http://{host}:{port}"})
    WebServer(host, port, token).serve()


serve = command("serve")(_serve)
