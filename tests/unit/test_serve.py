"""The app for a browser: who is let in, and what they get."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestClient, TestServer
from click.testing import CliRunner

from tinv_tui.cli import commands
from tinv_tui.cli.web_server import WebServer, is_loopback

TOKEN = "a long secret"
PAGES = ["/", "/ws", "/static/js/textual.js", "/download/x", "/none"]


@pytest.fixture
async def with_token() -> AsyncIterator[TestClient]:
    async with TestClient(TestServer(await WebServer("0.0.0.0", 8000, TOKEN)._make_app())) as client:
        yield client


@pytest.fixture
async def on_loopback() -> AsyncIterator[TestClient]:
    async with TestClient(TestServer(await WebServer("127.0.0.1", 8000, "")._make_app())) as client:
        yield client


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("given", ["", "?token=", "?token=another"])
async def test_without_the_token_nothing_is_served(with_token: TestClient, page: str, given: str) -> None:
    response = await with_token.get(page + given)
    assert response.status == 401
    assert TOKEN not in await response.text()


async def test_the_token_once_in_the_address_opens_the_page_and_is_gone_from_it(with_token: TestClient) -> None:
    response = await with_token.get("/", params={"token": TOKEN}, allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (302, "/")
    assert "HttpOnly" in response.headers["Set-Cookie"]
    assert "SameSite=Strict" in response.headers["Set-Cookie"]
    page = await with_token.get("/", cookies={"tinv_token": TOKEN})
    assert page.status == 200
    assert f"ws://{with_token.host}:{with_token.port}/ws" in await page.text()  # the port that was asked, not 8000


async def test_on_loopback_the_page_is_served_and_fetches_nothing_from_elsewhere(on_loopback: TestClient) -> None:
    response = await on_loopback.get("/")
    assert response.status == 200
    assert "default-src 'self'" in response.headers["Content-Security-Policy"]
    assert (await on_loopback.get("/static/js/textual.js")).status == 200


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("header", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}])
async def test_another_page_and_another_name_for_this_machine_are_let_in_nowhere(
    on_loopback: TestClient, page: str, header: dict[str, str]
) -> None:
    assert (await on_loopback.get(page, headers=header)).status == 403


@pytest.mark.parametrize(
    ("host", "is_here"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False)]
)
def test_loopback_is_this_machine(host: str, is_here: bool) -> None:
    assert is_loopback(host) == is_here


@pytest.mark.parametrize(
    ("words", "code"),
    [(["--host", "0.0.0.0"], "token-missing"), (["--host", "::", "--token", "short"], "token-short")],
)
def test_another_host_needs_a_token(words: list[str], code: str) -> None:
    result = CliRunner().invoke(commands, ["serve", "--json", *words])
    assert result.exit_code == 2
    assert json.loads(result.output)["error"]["code"] == code


def test_where_the_extra_is_missing_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tinv_tui.cli.web_server", raising=False)
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    result = CliRunner().invoke(commands, ["serve"])
    assert result.exit_code == 2
    assert "tinv-tui[web]" in result.output
