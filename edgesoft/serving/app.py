"""The application: who may ask, what is answered, and what is written down about it."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import itertools
import re
import secrets
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress

from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.routing import Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edgesoft.serving.endpoints import Endpoints
from edgesoft.serving.inference_protocol import HEADER_LENGTH, InferenceProtocol, nowhere
from edgesoft.serving.refusal import Refusal
from edgesoft.serving.state import State

OPEN = frozenset({"/v2/health/live", "/v2/health/ready"})
"""What is answered without a token: whoever asks whether a server lives has none."""
LINGER = 2.0
"""Seconds in which the rest of a refused body may still come, and is thrown away."""
_MODELS, _INFER = "/v2/models/", "/infer"
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
        self._protocol = InferenceProtocol(state)
        self._router = Router(
            [*self._protocol.routes(), *Endpoints(state).routes()], redirect_slashes=False, default=_nowhere
        )
        self._prefix, self._count = secrets.token_hex(4), itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        given = headers.get(b"x-request-id")
        is_kept = given is not None and _ID.fullmatch(given) is not None
        request_id = given if is_kept and given is not None else f"{self._prefix}-{next(self._count):x}".encode()
        status, is_told = 0, False

        def tell() -> None:
            nonlocal is_told
            if not is_told:
                is_told = True
                self._done(scope, status, time.perf_counter() - started, request_id)

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", request_id))
                if self._state.is_stopping:
                    message["headers"].append((b"connection", b"close"))
            else:
                tell()  # before the body goes: whoever has the answer finds it counted, whichever worker tells the numbers
            await send(message)

        clock = scope["clock"] = self._state.deadlines.start()
        try:
            refusal = await self._tried(scope, headers, receive, send_with_id, request_id)
        except ClientDisconnect:
            refusal, status = None, status or 499  # nobody is there to be answered
        except asyncio.CancelledError:
            if not clock.is_over:
                raise
            refusal = clock.refusal()
        finally:
            clock.stop()
        if refusal is not None and not status:
            if refusal.reason:
                self._state.metrics.on_refusal(refusal.reason)
            await _say(refusal, scope, receive, send_with_id)
        tell()

    async def _tried(
        self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, send: Send, request_id: bytes
    ) -> Refusal | None:
        """Answer a request; what to say instead, where that is not possible."""
        try:
            self._admit(scope["path"], headers)
            await self._answer(scope, headers, receive, send)
        except Refusal as refusal:
            return refusal
        except HTTPException as error:
            return _unknown(error, scope)
        except ClientDisconnect:
            raise
        except Exception as error:  # a mistake of ours ends one request, not the server
            trace = traceback.format_exc(limit=-8)
            self._state.log(
                "failure", level="error", request_id=request_id.decode(), error=repr(error), traceback=trace
            )
            return Refusal(500, "the server failed at this request: its log says how")
        return None

    async def _answer(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        # Most requests are of this kind: to route them as all others are takes as long as to answer them.
        if path.startswith(_MODELS) and path.endswith(_INFER) and scope["method"] == "POST":
            served = self._state.models.get(path[len(_MODELS) : -len(_INFER)])
            if served is not None:
                scope["endpoint"] = self._protocol.infer
                content, length = await self._protocol.answer(served, headers, receive, scope["clock"])
                kind = b"application/json" if length is None else b"application/octet-stream"
                fields = [(b"content-type", kind), (b"content-length", b"%d" % len(content))]
                if length is not None:
                    fields.append((HEADER_LENGTH, b"%d" % length))
                await send({"type": "http.response.start", "status": 200, "headers": fields})
                await send({"type": "http.response.body", "body": content})
                return
        scope["app"] = self  # so that the router raises instead of answering in plain text
        await self._router(scope, receive, send)

    def _done(self, scope: Scope, status: int, seconds: float, request_id: bytes) -> None:
        route = getattr(scope.get("endpoint"), "__name__", "none")
        self._state.metrics.on_request(route, status, seconds)
        if self._logs_requests:
            client = scope.get("client")
            self._state.log.soon(
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
    raise nowhere(scope["path"])


def _unknown(error: HTTPException, scope: Scope) -> Refusal:
    if error.status_code == 405:
        headers = tuple((error.headers or {}).items())
        return Refusal(
            405, f"{scope['method'][:20]} is not possible here: expected {dict(headers).get('Allow')}", headers=headers
        )
    return Refusal(error.status_code, str(error.detail))


async def _say(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    response = JSONResponse({"error": str(refusal)}, refusal.status, headers=dict(refusal.headers))
    if not refusal.closes:
        await response(scope, receive, send)
        return
    await send({"type": "http.response.start", "status": refusal.status, "headers": response.raw_headers})
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    # Whoever is still sending must be heard out for a while: a connection that is closed before loses the answer on its way.
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(_heard_out(receive), LINGER)
    await send({"type": "http.response.body", "body": b""})


async def _heard_out(receive: Receive) -> None:
    message: Message = {"type": "http.request", "more_body": True}
    while message["type"] == "http.request" and message.get("more_body", False):
        message = await receive()
