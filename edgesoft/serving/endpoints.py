"""The endpoints that are not the inference protocol's: pictures and rows, the page, the numbers, and the descriptions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from edgesoft.errors import EdgesoftError
from edgesoft.escape import json_text
from edgesoft.inference.batches import Reading, Unreadable
from edgesoft.pages.markup import element, foreign, page
from edgesoft.serving.body import Body
from edgesoft.serving.openapi import document, documentation
from edgesoft.serving.predict import classify_all, read_sources
from edgesoft.serving.refusal import Refusal, wrong
from edgesoft.serving.state import State
from edgesoft.settings import MOST

PARAMETERS = ("model", "top_k", "reject", "seen")
"""What a request to /predict may say in its URL."""


class Endpoints:
    """All but the inference protocol's."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/predict", self.predict, methods=["POST"]),
            Route("/metrics", self.metrics),
            Route("/", self.page),
            Route("/docs", self.docs),
            Route("/openapi.json", self.openapi),
        ]

    async def predict(self, request: Request) -> Response:
        """Pictures or rows."""
        state, query = self._state, request.query_params
        _check_parameters([name for name, _ in query.multi_items()])
        served = state.models.only(query.get("model"))
        top_k = _number(query.get("top_k", "1"), "top_k", int, 1, MOST)
        reject = _number(query["reject"], "reject", float, 0, 1) if "reject" in query else None
        if query.get("seen", "false") not in ("true", "false"):
            raise wrong("seen: expected true or false")
        seen = query.get("seen") == "true"
        with Body(state.bodies) as body:
            content = await state.bodies.read(body, dict(request.headers.raw), request.receive)
            request.scope["clock"].read()
            sources, is_list = await read_sources(content, request.headers, served.classifier, state.limits.batch)
            found = await state.decode(
                lambda: classify_all(
                    served.classifier, sources, name=served.name, top_k=top_k, reject=reject, seen=seen
                )
            )
        for _, reading in found:
            if isinstance(reading, Reading):
                state.metrics.on_answer(served.name, reading.label, is_rejected=reading.rejected)
        documents: list[dict[str, Any]] = [document for document, _ in found]
        is_refused = not is_list and isinstance(found[0][1], Unreadable)
        said = json_text(documents if is_list else documents[0])
        return Response(said.encode(), 400 if is_refused else 200, media_type="application/json")

    async def metrics(self, request: Request) -> Response:  # noqa: ARG002 - an endpoint's signature
        """For Prometheus."""
        waiting = {name: served.batcher.waiting for name, served in self._state.models.items()}
        content, media_type = self._state.metrics.text(waiting)
        return Response(content, media_type=media_type)

    async def page(self, request: Request) -> Response:
        """The web target's page; with several models, the way to each of their pages."""
        models, name = self._state.models, request.query_params.get("model")
        if name is None and len(models) > 1:
            links = [element("li", element("a", foreign(each), href=f"?model={each}")) for each in models]
            return HTMLResponse(page("edgesoft", element("h1", "Models"), element("ul", *links)))
        served = models.only(name)
        try:
            content = await self._state.decode(lambda: served.page)
        except EdgesoftError as error:
            raise Refusal(501, str(error).removeprefix(f"{served.classifier.path}: ")) from None
        return Response(content, media_type="text/html; charset=utf-8")

    async def docs(self, request: Request) -> Response:  # noqa: ARG002
        """How to ask, for people."""
        return HTMLResponse(documentation())

    async def openapi(self, request: Request) -> Response:  # noqa: ARG002
        """How to ask, for programs."""
        return Response(json.dumps(document()), media_type="application/json")


def _check_parameters(names: Sequence[str]) -> None:
    """Refuse what would be ignored: parameters that are not known, or given twice."""
    for place, name in enumerate(names):
        if name not in PARAMETERS:
            raise wrong(f"unknown parameter {name[:40]!a}: expected {', '.join(PARAMETERS)}")
        if name in names[:place]:
            raise wrong(f"{name}: is given twice. Give it once")


def _number(text: str, name: str, kind: Any, least: float, most: float) -> Any:
    try:
        if not text.isascii() or "_" in text:
            raise ValueError
        number = kind(text)
        if not least <= number <= most:
            raise ValueError
    except ValueError:
        raise wrong(f"{name} {text[:40]!a}: expected a number from {least:g} to {most:,}") from None
    return number
