"""The server as a command; it prints its address, and runs until it is stopped."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from etlrun.spec.prompts import read_prompt

from .faults import ALL, FAULTS, Fault
from .server import FakeServer


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fake_gemini", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="the port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--faults", default="none", help=f"none, all, or NAME=SHARE,... of {', '.join(FAULTS)}")
    parser.add_argument("--script", default="", help="faults of the first requests, in their order: NAME,NAME,...")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument(
        "--prompt",
        type=Path,
        action="append",
        default=[],
        help="a prompt file, whose canaries and examples are answered rightly",
    )
    parser.add_argument("--model", action="append", default=[], help="a model that exists (default: any)")
    parser.add_argument("--key", default="", help="the API key to insist on")
    parser.add_argument("--no-schema", action="store_true", help="refuse every schema")
    given = parser.parse_args()
    server = FakeServer(
        faults=_rates(given.faults),
        seed=given.seed,
        script=_script(given.script),
        latency=given.latency,
        known=known_answers(given.prompt),
        models=given.model,
        secret=given.key,
        port=given.port,
        takes_schema=not given.no_schema,
    )
    asyncio.run(_serve(server))


def known_answers(prompts: list[Path]) -> dict[str, str]:
    """The answers that the canaries and examples of prompt files give."""
    examples = [
        example
        for path in prompts
        for prompt in [read_prompt(path)]
        for example in (*prompt.canaries, *prompt.examples)
    ]
    return {example.key: str(next(iter(example.answer.values()))) for example in examples}


async def _serve(server: FakeServer) -> None:
    await server.listen()
    sys.stdout.write(f"{server.url}\n")
    sys.stdout.flush()
    await server.listening.serve_forever()


def _script(text: str) -> list[Fault | None]:
    return [_fault(name) if name != "none" else None for name in text.split(",") if name]


def _rates(text: str) -> dict[Fault, float]:
    if text in ("none", "all"):
        return dict(ALL) if text == "all" else {}
    pairs = (part.partition("=") for part in text.split(","))
    return {_fault(name): float(share or 1) for name, _, share in pairs}


def _fault(name: str) -> Fault:
    for fault in FAULTS:
        if fault == name:
            return fault
    raise SystemExit(f"there is no fault `{name}`")


if __name__ == "__main__":
    main()
