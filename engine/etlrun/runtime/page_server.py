"""The server of `etlrun dashboard watch`: it shows built pages in a frame, and reloads a page after each build.

A built page may not open connections (its policy forbids it), and is served unchanged. The page around it, which shows it in a frame, asks
the server for new versions.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from etlrun.failures import RunFailure
from etlrun.spec.packages import needing_packages

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

HOST = "127.0.0.1"
FRAME_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-src 'self'; frame-ancestors 'none'"
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


@dataclass
class WatchedPages:
    """The pages that are served: by name, the version of each, which increases with every build, and its mistakes.

    Mistakes because of which nothing can be built, such as in the project file, have an empty name.
    """

    folder: Path
    versions: dict[str, int] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    def built(self, name: str) -> None:
        self.versions = {**self.versions, name: self.versions.get(name, 0) + 1}
        self.problems = {other: text for other, text in self.problems.items() if other != name}

    def state(self) -> Mapping[str, object]:
        return {"versions": self.versions, "problem": "\n".join(self.problems.values())}


def serve(pages: WatchedPages, port: int) -> str:
    """Serve the pages from now on, in a thread; returns the address. Raises RunFailure if the port is in use or a package is missing."""
    with needing_packages("watch", "`etlrun dashboard watch`"):
        import starlette  # noqa: F401
        import uvicorn
    listening = _listen(port)
    server = uvicorn.Server(uvicorn.Config(_application(pages), lifespan="off", log_config=None, access_log=False))
    threading.Thread(target=server.run, args=([listening],), name="etlrun-pages", daemon=True).start()
    return f"http://{HOST}:{listening.getsockname()[1]}/"


def _listen(port: int) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except OSError as error:
        listening.close()
        message = f"port {port} of {HOST} cannot be used ({error.strerror or error})"
        fix = "choose another one: --port 8321, or --port 0 for any that is free"
        raise RunFailure("usage", "port-busy", message, fix) from error
    listening.listen()
    return listening


def _application(pages: WatchedPages) -> Starlette:
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
    from starlette.routing import Route

    def own(name: str, kind: str) -> Response:
        text = (files("etlrun.dashboards") / "page" / name).read_text(encoding="utf-8")
        return Response(text, media_type=kind, headers={**HEADERS, "Content-Security-Policy": FRAME_POLICY})

    async def around(request: Request) -> Response:
        return own("watch.html", "text/html")

    async def code(request: Request) -> Response:
        return own("watch.js", "text/javascript")

    async def style(request: Request) -> Response:
        return own("watch.css", "text/css")

    async def state(request: Request) -> Response:
        return JSONResponse(pages.state(), headers=HEADERS)

    async def page(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in pages.versions:
            return PlainTextResponse("this dashboard is not built yet", 404, HEADERS)
        headers = {**HEADERS, "Content-Security-Policy": "frame-ancestors 'self'"}
        return FileResponse(pages.folder / f"{name}.html", headers=headers, media_type="text/html")

    routes = [
        Route("/", around),
        Route("/watch.js", code),
        Route("/watch.css", style),
        Route("/state", state),
        Route("/pages/{name}", page),
    ]
    # only this machine's own names, so that no page of elsewhere reads the rows by a name that leads here
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
    return Starlette(routes=routes, middleware=[hosts])
