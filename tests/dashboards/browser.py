"""Pages in a real browser: headless Chromium opens the file and gives back what a script of the test found in it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=30000",
)


def ask_page(page: Path, script: str, folder: Path) -> Any:
    """What the JavaScript expression `script` is, in the page once it is ready.

    The page is copied, and its policy lets the one script of the test run beside its own.
    """
    text = (
        "const wait = () => { if (!document.documentElement.dataset.ready) return setTimeout(wait, 5);"
        f" document.body.textContent = 'ANSWER' + JSON.stringify({script}) + 'END'; }}; wait();"
    )
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    html = page.read_text(encoding="utf-8")
    assert html.count("script-src ") == 1
    html = html.replace("script-src ", f"script-src &#x27;sha256-{digest}&#x27; ", 1)
    copy = folder / "asked.html"
    copy.write_text(html.replace("</body>", f"<script>{text}</script></body>"), encoding="utf-8")
    found = re.search(r"ANSWER(.*)END", _dom(copy, folder), re.DOTALL)
    assert found, "the page did not get ready"
    return json.loads(_unescaped(found[1]))


def find_browser() -> str:
    """The program of the browser."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    assert browser, "the tests need Chromium; on Debian: apt-get install --no-install-recommends chromium"
    return browser


def _dom(page: Path, folder: Path) -> str:
    profile = folder / "chromium"
    done = subprocess.run(
        [find_browser(), *OPTIONS, f"--user-data-dir={profile}", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
    )
    shutil.rmtree(profile, ignore_errors=True)
    return done.stdout


def _unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", "\u00a0").replace("&amp;", "&")
