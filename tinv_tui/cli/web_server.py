"""The app in a browser: textual-serve behind a guard that looks at every request before anything is served."""

from __future__ import annotations

import hmac
import logging
import shlex
from contextvars import ContextVar
from ipaddress import ip_address
from urllib.parse import urlsplit

import click
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from textual_serve.server import Server

from tinv_tui.cli.output import say
from tinv_tui.interpreter import PYTHON

_COOKIE = "tinv_token"
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self' ws: wss:; frame-ancestors 'none'"
)
"""Nothing is fetched from elsewhere (the page asks Google for a font), and no other page may hold this one."""
_asked_at: ContextVar[str] = ContextVar("_asked_at", default="")


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class WebServer(Server):
    """One app for each page that is opened; closing the page leaves the app, and runs go on."""

    def __init__(self, host: str, port: int, token: str) -> None:
        super().__init__(f"exec {shlex.join(PYTHON)} -m tinv_tui", host=host, port=port, title="tinv-tui")
        self._token = token

    @property
    def public_url(self) -> str:
        """As the browser asked for it: a port that SSH forwards has another number here."""
        return _asked_at.get() or f"http://{self.host}:{self.port}"

    @public_url.setter
    def public_url(self, _: str) -> None:
        """Textual's is not used."""

    def initialize_logging(self) -> None:
        logging.basicConfig(level=logging.WARNING)  # a log of all requests would hold the token

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(self._guard())
        return app

    async def on_startup(self, app: web.Application) -> None:
        say(f"the app is at http://{self.host}:{self.port}{'/?token=…' if self._token else ''}", err=True)
        if not self._token:
            click.echo("whoever is on this machine can open it; --token keeps others out", err=True)
        click.echo("ctrl-c ends it; runs go on", err=True)

    def _guard(self) -> Middleware:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            if not self._is_ours(request):
                raise web.HTTPForbidden(text="This server is not meant by that address or that page.\n")
            given = request.query.get("token")
            if self._token and given is not None and self._is_token(given):
                response: web.StreamResponse = web.Response(status=302, headers={"Location": request.path})
                response.set_cookie(_COOKIE, self._token, httponly=True, samesite="Strict")
                return response
            if self._token and not self._is_token(request.cookies.get(_COOKIE, "")):
                raise web.HTTPUnauthorized(text="Open this page with ?token=… and the token that serve was given.\n")
            _asked_at.set(f"{request.scheme}://{request.host}")
            response = await handler(request)
            if not response.prepared:
                response.headers["Content-Security-Policy"] = _POLICY
            return response

        return guard

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self._token.encode())

    def _is_ours(self, request: web.Request) -> bool:
        """Whether it comes from a page of this server, or from none: a browser sends others' pages' requests as well,
        and a name that somebody else points at this machine is not its own."""
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            return False
        name = urlsplit(f"//{request.host}").hostname or ""
        return bool(self._token) or is_loopback(name)
