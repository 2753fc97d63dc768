"""Draws docs/pictures/terminal.svg: a session at the terminal, line by line as it really goes. `make pictures` runs it."""

from __future__ import annotations

import html
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

TARGET = Path(__file__).parent / "pictures" / "terminal.svg"
WIDTH, LINE, MARGIN, SECONDS = 860, 18, 16, 1.2  # pixels; between two commands
STYLE = """text{font:13px ui-monospace,Menlo,Consolas,monospace;white-space:pre;fill:#e6edf3}.typed{fill:#7ee787}
g{animation:come .2s both}@keyframes come{from{opacity:0}to{opacity:1}}@media(prefers-reduced-motion:reduce){g{animation:none}}"""


def session(folder: Path) -> Iterator[tuple[str, str]]:
    """Every command, and what it says."""
    yield run(folder, "init", "shops")
    pipeline = folder / "shops/pipelines/orders.yaml"
    right = pipeline.read_text(encoding="utf-8")
    pipeline.write_text(right.replace("sum(amount)", "sum(amont)"), encoding="utf-8")
    yield run(folder / "shops", "check")
    pipeline.write_text(right, encoding="utf-8")
    yield run(folder / "shops", "run", "orders")
    yield run(folder / "shops", "query", "select * from shops")
    yield run(folder / "shops", "lineage", "orders.shops.revenue")


def run(folder: Path, *arguments: str) -> tuple[str, str]:
    shown = " ".join(f'"{word}"' if " " in word else word for word in arguments)
    command = [sys.executable, "-m", "etlrun", *arguments]
    plain = {**os.environ, "NO_COLOR": "1", "COLUMNS": "100"}
    done = subprocess.run(
        command, cwd=folder, env=plain, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    return f"$ etlrun {shown}", done.stdout.rstrip("\n")


def picture(commands: list[tuple[str, str]]) -> str:
    """The session as SVG in which the commands appear one after the other."""
    groups, y = [], MARGIN + LINE
    for number, (command, output) in enumerate(commands):
        texts = []
        for line in (command, *output.split("\n"), ""):
            kind = ' class="typed"' if line is command else ""
            texts.append(f'<text x="{MARGIN}" y="{y}"{kind}>{html.escape(line)}</text>')
            y += LINE
        groups.append(f'<g style="animation-delay:{number * SECONDS:.1f}s">{"".join(texts)}</g>')
    size = f'width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}"'
    frame = '<rect width="100%" height="100%" rx="8" fill="#0d1117"/>'
    label = 'role="img" aria-label="A session at the terminal"'
    body = "\n".join((f"<style>{STYLE}</style>", frame, *groups))
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {label}>\n{body}\n</svg>\n'


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        TARGET.write_text(picture(list(session(Path(made)))), encoding="utf-8")
