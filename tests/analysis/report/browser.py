"""A headless Chromium that shows one page, driven over its DevTools socket."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_WAIT = 30.0
"""Seconds for the browser to start, or to answer one command."""


def chromium() -> str:
    """The browser's path; skips the test where there is none."""
    for name in _NAMES:
        if found := shutil.which(name):
            return found
    pytest.skip(f"no {', '.join(_NAMES)} on PATH: the page is not looked at in a browser")


class Tab:
    """One tab: commands, and every event it reported so far."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._sent = 0
        self.events: list[dict[str, Any]] = []

    async def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """What the browser answers; events that come meanwhile are kept."""
        self._sent += 1
        await self._socket.send_json({"id": self._sent, "method": method, "params": parameters})
        while True:
            answer: dict[str, Any] = await asyncio.wait_for(self._socket.receive_json(), _WAIT)
            if answer.get("id") == self._sent:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    async def event(self, method: str) -> None:
        """Waits until the browser has reported an event of this name."""
        while not any(event.get("method") == method for event in self.events):
            self.events.append(await asyncio.wait_for(self._socket.receive_json(), _WAIT))

    async def value(self, expression: str) -> Any:
        """What a JavaScript expression gives in the page."""
        answer = await self.command("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def press(self, key: str, *, code: int, text: str = "") -> None:
        """A key, down and up."""
        for kind in ("keyDown", "keyUp"):
            typed = {"text": text} if text and kind == "keyDown" else {}
            await self.command(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **typed
            )

    async def screenshot(self) -> bytes:
        """What the tab shows, as PNG."""
        answer = await self.command("Page.captureScreenshot", format="png")
        return base64.b64decode(answer["data"])


@contextlib.asynccontextmanager
async def showing(
    page: Path, *, width: int = 1280, height: int = 800, dark: bool = False, scripts: bool = True
) -> AsyncIterator[Tab]:
    """The page in a tab of this size, loaded; the browser ends with the block."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            chromium(), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0",
            f"--user-data-dir={profile}", "about:blank",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            async with aiohttp.ClientSession() as session:
                address = await _address(session, Path(profile) / "DevToolsActivePort")
                async with session.ws_connect(address, max_msg_size=0) as socket:
                    tab = Tab(socket)
                    await _load(tab, page, width, height, dark=dark, scripts=scripts)
                    yield tab
                    await tab.command("Browser.close")
            await asyncio.wait_for(process.wait(), _WAIT)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def _address(session: aiohttp.ClientSession, written: Path) -> str:
    async with asyncio.timeout(_WAIT):
        while not (written.exists() and written.read_text().count("\n") >= 1):  # noqa: ASYNC110, ASYNC240  # a file of another process
            await asyncio.sleep(0.05)
        port = int(written.read_text().splitlines()[0])  # noqa: ASYNC240
        while True:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                for target in await answer.json():
                    if target["type"] == "page":
                        return str(target["webSocketDebuggerUrl"])
            await asyncio.sleep(0.05)


async def _load(tab: Tab, page: Path, width: int, height: int, *, dark: bool, scripts: bool) -> None:
    for domain in ("Page", "Runtime", "Log", "Network", "Security"):
        await tab.command(f"{domain}.enable")
    await tab.command(
        "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
    )
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    await tab.command("Emulation.setEmulatedMedia", features=[scheme])
    await tab.command("Emulation.setScriptExecutionDisabled", value=not scripts)
    await tab.command("Page.navigate", url=page.as_uri())
    await tab.event("Page.loadEventFired")
