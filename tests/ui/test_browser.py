"""The app in a real browser, served by the command as a user calls it."""

from __future__ import annotations

import asyncio
import base64
import io
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
from PIL import Image

from tinv_tui.settings import settings_file

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TOKEN = "a-long-secret"


@pytest.fixture
def served() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [sys.executable, "-m", "tinv_tui", "serve", "--port", str(port), "--token", TOKEN]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/"
    deadline = time.monotonic() + 30
    while not _answers(url):
        assert server.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    yield f"{url}?token={TOKEN}", server
    server.terminate()
    server.wait(10)


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=2)
    except urllib.error.HTTPError as error:
        return error.code == 401
    except OSError:
        return False
    return False


class Page:
    """A page of a headless Chromium, driven through its debugging port."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0

    async def do(self, method: str, **arguments: Any) -> Any:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": arguments})
        while (answer := await self._socket.receive_json()).get("id") != self._number:
            pass
        return answer["result"]

    async def script(self, text: str) -> Any:
        return (await self.do("Runtime.evaluate", expression=text))["result"].get("value")

    async def press(self, key: str, code: int) -> None:
        text = {"text": key} if len(key) == 1 else {}
        await self.do("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **text)
        await self.do("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    async def until_drawn(self, seconds: float = 30) -> None:
        """Until the app's first bytes are here and its letters and frames are painted."""
        deadline = time.monotonic() + seconds
        while "-first-byte" not in await self.script("document.body.className") or await self._colours() < 40:
            assert time.monotonic() < deadline, "the app was not drawn"

    async def _colours(self) -> int:
        picture = base64.b64decode((await self.do("Page.captureScreenshot"))["data"])
        return len(Image.open(io.BytesIO(picture)).convert("RGB").getcolors(1_000_000) or [])


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    profile = tmp_path / "profile"
    words = [str(CHROMIUM), *_QUIET, f"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank"]
    browser = await asyncio.to_thread(subprocess.Popen, words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    await become_true(lambda: bool(_port_of(profile)))
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{_port_of(profile)}/json/list") as answer:
            where = next(tab["webSocketDebuggerUrl"] for tab in await answer.json() if tab["type"] == "page")
        async with session.ws_connect(where, max_msg_size=0) as socket:
            yield Page(socket)
    browser.terminate()
    browser.wait(10)


def _port_of(profile: Path) -> str:
    try:
        return (profile / "DevToolsActivePort").read_text().split()[0]
    except (OSError, IndexError):
        return ""


async def become_true(is_so: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not become true"
        await asyncio.sleep(0.1)


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
async def test_the_app_is_drawn_in_a_browser_hears_its_keys_and_leaves(
    served: tuple[str, subprocess.Popen[bytes]], page: Page
) -> None:
    url, server = served
    settings_file().parent.mkdir()
    settings_file().touch()  # no welcome: the form is there at once
    await page.do("Page.navigate", url=url)
    await become_true(lambda: bool(psutil.Process(server.pid).children()))
    await page.until_drawn()
    assert await page.script("location.search") == "", "the token is no longer in the address"
    await page.do("Emulation.setFocusEmulationEnabled", enabled=True)
    await page.script("document.querySelector('.xterm-helper-textarea').focus()")
    await page.press("F5", 116)  # the screen of runs, where letters are keys
    deadline = time.monotonic() + 30
    while psutil.Process(server.pid).children():
        assert time.monotonic() < deadline, "q did not leave"
        await page.press("q", 81)
        await asyncio.sleep(0.5)


@pytest.mark.long
def test_an_app_whose_server_was_killed_leaves_too(served: tuple[str, subprocess.Popen[bytes]]) -> None:
    url, server = served
    app = asyncio.run(_open_without_a_browser(url, server.pid))
    _, alive = psutil.wait_procs([app], timeout=40)
    assert not alive


async def _open_without_a_browser(url: str, server_pid: int) -> psutil.Process:
    """The app's process, once it has been drawn; its server has been killed meanwhile."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        await session.get(url)
        async with session.ws_connect(url.partition("?")[0] + "ws?width=80&height=24") as socket:
            seen = b""
            while b"Learn a" not in seen:
                message = await socket.receive(timeout=30)
                seen += message.data if isinstance(message.data, bytes) else b""
            app = psutil.Process(server_pid).children()[0]
            psutil.Process(server_pid).kill()
    return app
