"""The application: who may ask, what is answered, and what is written down about it."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
import secrets
import time
from collections.abc import Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edgesoft.errors import EdgesoftError
from edgesoft.escape import json_text
from edgesoft.inference.batches import Reading, Unreadable
from edgesoft.pages.markup import element, foreign, page
from edgesoft.serving.inference_protocol import InferenceProtocol
from edgesoft.serving.openapi import document, documentation
from edgesoft.serving.predict import classify_all, read_sources
from edgesoft.serving.refusal import Refusal, wrong
from edgesoft.serving.state import State
from edgesoft.settings import MOST

OPEN = frozenset({"/v2/health/live", "/v2/health/ready"})
"""What is answered without a token: whoever asks whether a server lives has none."""
_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
"""Request ids of others that are kept."""


def make_app(
    state: State, *, token: str | None = None, origins: Sequence[str] = (), logs_requests: bool = True
) -> ASGIApp:
    """The ASGI application.

    Parameters
    ----------
    state
        What it serves.
    token
        What every request must bring, as a bearer token or as the password of HTTP's basic scheme; None for everybody.
    origins
        Origins of pages elsewhere that may read the answers; "*" for all.
    logs_requests
        Write a line for each request.
    """
    app: ASGIApp = _Application(state, token, logs_requests=logs_requests)
    if origins:
        headers = ["authorization", "content-type", "inference-header-content-length", "x-request-id"]
        app = CORSMiddleware(
            app,
            allow_origins=list(origins),
            allow_methods=["GET", "POST"],
            allow_headers=headers,
            expose_headers=["inference-header-content-length", "x-request-id"],
        )
    return app


class _Application:
    def __init__(self, state: State, token: str | None, *, logs_requests: bool) -> None:
        self._state, self._logs_requests = state, logs_requests
        self._token = None if token is None else token.encode()
        endpoints = _Endpoints(state)
        self._router = Router(
            [*InferenceProtocol(state).routes(), *endpoints.routes()], redirect_slashes=False, default=_nowhere
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                raise RuntimeError("no lifespan")  # which tells the server that there is none
            return
        started = time.perf_counter()
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given if _ID.fullmatch(given) else secrets.token_hex(8).encode()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
                if self._state.is_stopping:
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        scope["app"] = self  # so that the router raises instead of answering in plain text
        response: Response | None = None
        try:
            self._admit(scope["path"], headers)
            await self._router(scope, receive, send_with_id)
        except Refusal as refusal:
            response = _refused(refusal)
            if refusal.reason:
                self._state.metrics.on_refusal(refusal.reason)
        except HTTPException as error:
            response = _refused(_unknown(error, scope))
        except ClientDisconnect:
            status = 499  # nobody is there to be answered
        except Exception as error:
            self._state.log(
                "failure", level="error", request_id=request_id.decode(), error=f"{type(error).__name__}: {error}"
            )
            response = _refused(Refusal(500, "the server failed at this request: its log says how"))
        if response is not None and not status:
            await response(scope, receive, send_with_id)
        self._done(scope, status, time.perf_counter() - started, request_id)

    def _done(self, scope: Scope, status: int, seconds: float, request_id: bytes) -> None:
        endpoint = scope.get("endpoint")
        route = getattr(endpoint, "__name__", "none")
        self._state.metrics.on_request(route, status, seconds)
        if self._logs_requests:
            client = scope.get("client")
            self._state.log(
                "request",
                request_id=request_id.decode(),
                method=scope["method"],
                path=scope["path"][:200],
                status=status,
                ms=round(1000 * seconds, 3),
                client=None if client is None else client[0],
            )

    def _admit(self, path: str, headers: dict[bytes, bytes]) -> None:
        """Refuse who does not bring the token."""
        if self._token is None or path in OPEN:
            return
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        given = given.strip()
        if scheme.lower() == b"basic":
            try:
                given = base64.b64decode(given, validate=True).partition(b":")[2]
            except binascii.Error:
                given = b""
        elif scheme.lower() != b"bearer":
            given = b""
        if not hmac.compare_digest(given, self._token):
            raise Refusal(
                401,
                "this server wants a token: Authorization: Bearer TOKEN",
                reason="token",
                headers=(("www-authenticate", 'Basic realm="edgesoft"'),),
                closes=True,
            )


async def _nowhere(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - an application's signature
    raise Refusal(404, "no such endpoint. They are listed at /docs")


def _unknown(error: HTTPException, scope: Scope) -> Refusal:
    if error.status_code == 405:
        headers = tuple((error.headers or {}).items())
        return Refusal(
            405, f"{scope['method'][:20]} is not possible here: expected {dict(headers).get('Allow')}", headers=headers
        )
    return Refusal(error.status_code, str(error.detail))


def _refused(refusal: Refusal) -> Response:
    return JSONResponse({"error": str(refusal)}, refusal.status, headers=dict(refusal.headers))


class _Endpoints:
    """All but the inference protocol's."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
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
        served = state.models.only(query.get("model"))
        top_k = _number(query.get("top_k", "1"), "top_k", int, 1, MOST)
        reject = _number(query["reject"], "reject", float, 0, 1) if "reject" in query else None
        if query.get("seen", "false") not in ("true", "false"):
            raise wrong("seen: expected true or false")
        seen = query.get("seen") == "true"
        async with state.bodies.read(request) as body:
            sources, is_list = await read_sources(body, request.headers, served.classifier, state.limits.batch)
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
        content = json_text(documents if is_list else documents[0])
        return Response(content.encode(), 400 if is_refused else 200, media_type="application/json")

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
