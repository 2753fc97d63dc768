"""Pages in a real browser: one headless Chromium for all tests, driven by puppeteer (`node/browser.cjs`)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NODE_MODULES = ROOT / ".venv" / "node" / "node_modules"
DRIVER = Path(__file__).parent / "node" / "browser.cjs"


@dataclass(frozen=True)
class Page:
    """A tab. Its methods are those of puppeteer's Page: `page("keyboard.press", "Tab")`."""

    browser: Browser
    number: int

    def __call__(self, method: str, *arguments: Any) -> Any:
        return self.browser.call(self.number, method, *arguments)

    def open(self, file: Path) -> Page:
        """Load a built page, and wait until its numbers are there."""
        self("goto", file.as_uri())
        self("waitForSelector", "html[data-ready=yes]")
        return self

    def ask(self, script: str) -> Any:
        """What a JavaScript expression is."""
        return self("evaluate", script)

    def wait(self, script: str) -> None:
        """Wait until a JavaScript expression is true."""
        deadline = time.monotonic() + 30
        while not self.ask(script):
            assert time.monotonic() < deadline, f"never true: {script}"
            time.sleep(0.05)

    def close(self) -> None:
        self("close")


class Browser:
    """A running Chromium."""

    def __init__(self) -> None:
        assert NODE_MODULES.is_dir(), "the tests need the npm packages of tests/dashboards/node: make .venv/node.stamp"
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        assert program, "the tests need Chromium; on Debian: apt-get install --no-install-recommends chromium"
        self._pages = 0
        self._process = subprocess.Popen(
            ["node", str(DRIVER), program],
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "NODE_MODULES": str(NODE_MODULES)},
        )

    def page(self) -> Page:
        self._pages += 1
        return Page(self, self._pages)

    def ask(self, file: Path, script: str) -> Any:
        """What a JavaScript expression is in a built page."""
        page = self.page().open(file)
        found = page.ask(script)
        page.close()
        return found

    def call(self, *line: Any) -> Any:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()
        found = json.loads(self._process.stdout.readline())
        assert "error" not in found, found["error"]
        return found.get("value")

    def close(self) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()
