"""The dashboard as an application: which address shows what."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptdescent.dashboard.charts import ChartData
from promptdescent.dashboard.data import Data
from promptdescent.dashboard.live import Live
from promptdescent.dashboard.pages import Pages
from promptdescent.dashboard.rendering import Views
from promptdescent.dashboard.run_list import RunList
from promptdescent.dashboard.run_pages import RunPages
from promptdescent.dashboard.security import HEADERS, Guard
from promptdescent.dashboard.shelf import Shelf
from promptdescent.dashboard.streams import Streams
from promptdescent.errors import PromptDescentError
from promptdescent.version import __version__

if TYPE_CHECKING:
    from fastapi import FastAPI, Request, Response

STATIC = Path(__file__).parent / "static"


def create_app(store_address: str, token: str | None = None) -> FastAPI:
    """The dashboard over the store, or over the folder of a study.

    Args:
        store_address: a folder or a ``postgresql://`` address. Where no store is yet, pages say so.
        token: what a browser or client has to show; without one only requests to a name of this machine are answered.

    The application opens no store before the first page is asked for, or before ``app.state.warm_up()``, which loads
    what the first page needs. ``app.state.live.close()`` ends the streams of events, which a server has to do before it
    waits for its connections to end.
    """
    from fastapi import FastAPI
    from fastapi.staticfiles import StaticFiles

    shelf = Shelf(store_address)
    runs, read, live, views = RunList(shelf), RunPages(), Live(shelf), Views()

    @contextlib.asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        yield
        live.close()
        shelf.close()

    app = FastAPI(
        title="promptdescent", version=__version__, docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan
    )
    app.state.live = live
    pages, streams, data = (
        Pages(shelf, runs, read, views),
        Streams(shelf, live, views),
        Data(shelf, runs, ChartData(shelf, read)),
    )
    app.state.warm_up = pages.warm_up
    readable = ["GET", "HEAD"]
    for path, answer in pages.by_path().items():
        app.add_api_route(path, answer, methods=readable, response_model=None)
    for path, answer in data.by_path().items():
        app.add_api_route(path, answer, methods=readable, response_model=None)
    # These take what FastAPI would have to import at the top of a module to know: the request.
    app.add_route("/compare", pages.compare, methods=readable)
    app.add_route("/api/compare/charts", data.compared, methods=readable)
    app.add_route("/runs/{run}/events", streams.events, methods=["GET"])
    app.mount("/static", StaticFiles(directory=STATIC), name="static")

    # Not async, so that they read the store in a worker thread.
    def failed(request: Request, error: Exception) -> Response:
        return pages.failed(request.url.path, error)

    def fell_over(request: Request, error: Exception) -> Response:
        answer = pages.failed(request.url.path, error)
        answer.headers.update(HEADERS)  # it is given outside of the guard
        return answer

    app.add_exception_handler(Exception, fell_over)
    app.add_exception_handler(PromptDescentError, failed)
    for status in (400, 404, 405):
        app.add_exception_handler(status, failed)
    app.add_middleware(Guard, token=token)
    return app
