"""yaml-language-server, which editors ask about YAML, and the questions that an editor asks it."""

from __future__ import annotations

import itertools
import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).parents[2] / ".venv/node/node_modules/yaml-language-server/bin/yaml-language-server"
_SETTINGS = {"yaml": {"schemaStore": {"enable": False}, "hover": True, "completion": True, "validate": True}}


@dataclass
class LanguageServer:
    """A server that answers for the files of one folder."""

    process: subprocess.Popen[bytes]
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    mistakes: dict[str, list[str]] = field(default_factory=dict)

    def start(self, folder: Path) -> None:
        capabilities = {"textDocument": {"completion": {"completionItem": {"snippetSupport": True}}}}
        root = {"rootUri": folder.as_uri(), "processId": None, "capabilities": capabilities}
        self.ask("initialize", root)
        self.tell("initialized", {})
        self.tell("workspace/didChangeConfiguration", {"settings": _SETTINGS})

    def mistakes_in(self, file: Path, text: str) -> list[str]:
        """Open a file with this text; gives what is underlined in it."""
        uri = file.as_uri()
        self.mistakes.pop(uri, None)
        self.tell(
            "textDocument/didOpen", {"textDocument": {"uri": uri, "languageId": "yaml", "version": 1, "text": text}}
        )
        while uri not in self.mistakes:
            self.heed(self.read())
        return self.mistakes[uri]

    def hover(self, file: Path, text: str, word: str) -> str:
        """What is shown where the mouse is on the first place of a word."""
        found = self.ask("textDocument/hover", self.place(file, text, text.index(word) + 1))
        return str(found["contents"]["value"]) if found else ""

    def completions(self, file: Path, text: str, before: str) -> dict[str, str]:
        """The words that are offered behind the first place of a text, each with what is said of it."""
        found = self.ask("textDocument/completion", self.place(file, text, text.index(before) + len(before)))
        return {item["label"]: str(item.get("documentation", "")) for item in found["items"]}

    def place(self, file: Path, text: str, offset: int) -> dict[str, Any]:
        line, column = text[:offset].count("\n"), offset - text.rfind("\n", 0, offset) - 1
        return {"textDocument": {"uri": file.as_uri()}, "position": {"line": line, "character": column}}

    def ask(self, method: str, params: Any) -> Any:
        number = next(self.numbers)
        self.send({"id": number, "method": method, "params": params})
        while True:
            message = self.read()
            if message.get("id") == number and "method" not in message:
                return message["result"]
            self.heed(message)

    def tell(self, method: str, params: Any) -> None:
        self.send({"method": method, "params": params})

    def heed(self, message: dict[str, Any]) -> None:
        """Take in what the server says or asks by itself."""
        if message.get("method") == "textDocument/publishDiagnostics":
            found = message["params"]
            self.mistakes[found["uri"]] = [one["message"] for one in found["diagnostics"]]
        elif "id" in message:
            items = message["params"].get("items", ()) if message["method"] == "workspace/configuration" else ()
            answers = [_SETTINGS.get(item["section"]) for item in items]
            self.send({"id": message["id"], "result": answers or None})

    def send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def read(self) -> dict[str, Any]:
        stream = self.process.stdout
        assert stream is not None
        length = 0
        while line := stream.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        assert length, "the language server has ended"
        found = json.loads(stream.read(length))
        assert isinstance(found, dict)
        return found
