"""The endpoints of the Open Inference Protocol v2, as `tritonclient[http]` calls them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive

from edgesoft.serving.body import Body
from edgesoft.serving.deadlines import Clock
from edgesoft.serving.models import VERSION, Served
from edgesoft.serving.protocol import DATATYPES, EXTENSIONS, encode, parse
from edgesoft.serving.refusal import Refusal, wrong
from edgesoft.serving.state import State
from edgesoft.version import __version__

HEADER_LENGTH = b"inference-header-content-length"


class InferenceProtocol:
    """The endpoints, on top of what is served."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        """All of them, in the order in which they are tried: most requests are for the first."""
        found = []
        for model in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
            found += [
                Route(f"{model}/infer", self.infer, methods=["POST"]),
                Route(f"{model}/ready", self.model_ready),
                Route(f"{model}/config", self.config),
                Route(model, self.metadata),
            ]
        return [
            *found,
            Route("/v2/health/live", self.live),
            Route("/v2/health/ready", self.ready),
            Route("/v2", self.server),
            Route("/v2/repository/index", self.index, methods=["POST"]),
        ]

    async def infer(self, request: Request) -> Response:
        """Answer arrays with arrays."""
        served, clock = self._served(request), request.scope["clock"]
        content, length = await self.answer(served, dict(request.headers.raw), request.receive, clock)
        if length is None:
            return Response(content, media_type="application/json")
        return Response(content, media_type="application/octet-stream", headers={HEADER_LENGTH.decode(): str(length)})

    async def answer(
        self, served: Served, headers: Mapping[bytes, bytes], receive: Receive, clock: Clock
    ) -> tuple[bytes, int | None]:
        """The body of an answer, and how many bytes of it are JSON where others follow; raises Refusal."""
        with Body(self._state.bodies) as body:
            content = await self._state.bodies.read(body, headers, receive)
            clock.read()
            length = headers.get(HEADER_LENGTH)
            asked = parse(content, None if length is None else length.decode("latin-1"), served.signature)
            if (complaint := served.classifier.complaint(asked.inputs)) is not None:
                raise wrong(complaint)
            answers = await served.batcher.submit(asked.inputs)
        outputs: dict[str, np.ndarray[Any, Any]] = {
            "logits": answers.logits,
            "probabilities": answers.probabilities,
            "label": answers.indices,
        }
        return encode(asked, outputs, served.signature, model=served.name, version=VERSION)

    async def live(self, request: Request) -> Response:  # noqa: ARG002 - an endpoint's signature
        """The process answers."""
        return JSONResponse({"live": True})

    async def ready(self, request: Request) -> Response:  # noqa: ARG002
        """Requests are welcome: not so from the moment on when the server is asked to stop."""
        return JSONResponse({"ready": not self._state.is_stopping}, 503 if self._state.is_stopping else 200)

    async def model_ready(self, request: Request) -> Response:
        """Whatever is served is ready."""
        return JSONResponse({"name": self._served(request).name, "ready": True})

    async def server(self, request: Request) -> Response:  # noqa: ARG002
        """What this server is."""
        return JSONResponse({"name": "edgesoft", "version": __version__, "extensions": EXTENSIONS})

    async def metadata(self, request: Request) -> Response:
        """What a model takes and gives."""
        served = self._served(request)
        signature = served.signature
        inputs = [_tensor(signature.input, signature.dtype, signature.shape)]
        outputs = [_tensor(name, dtype, shape) for name, (dtype, shape) in signature.outputs.items()]
        return JSONResponse(
            {
                "name": served.name,
                "versions": [VERSION],
                "platform": "onnxruntime_onnx",
                "inputs": inputs,
                "outputs": outputs,
            }
        )

    async def config(self, request: Request) -> Response:
        """The same in the terms of Triton's model configuration."""
        served = self._served(request)
        signature = served.signature
        return JSONResponse(
            {
                "name": served.name,
                "platform": "onnxruntime_onnx",
                "backend": "onnxruntime",
                "max_batch_size": signature.most_rows,
                "input": [_configured(signature.input, signature.dtype, signature.shape)],
                "output": [_configured(name, dtype, shape) for name, (dtype, shape) in signature.outputs.items()],
            }
        )

    async def index(self, request: Request) -> Response:  # noqa: ARG002 - what it asks for is always all
        """The models by name."""
        entries = [{"name": name, "version": VERSION, "state": "READY", "reason": ""} for name in self._state.models]
        return JSONResponse(entries)

    def _served(self, request: Request) -> Served:
        served = self._state.models.find(request.path_params["model"])
        version = request.path_params.get("version", VERSION)
        if version != VERSION:
            raise Refusal(404, f"no version {version[:20]!a} of {served.name}: there is {VERSION}")
        return served


def _tensor(name: str, dtype: str, shape: tuple[int, ...]) -> dict[str, Any]:
    return {"name": name, "datatype": DATATYPES[dtype], "shape": [-1, *shape]}


def _configured(name: str, dtype: str, shape: tuple[int, ...]) -> dict[str, Any]:
    described = {"name": name, "data_type": f"TYPE_{DATATYPES[dtype]}", "dims": list(shape) or [1]}
    return described if shape else {**described, "reshape": {"shape": []}}


def nowhere(path: str) -> Refusal:
    """What to say of an endpoint that is not there: some of the protocol are for servers of another kind."""
    is_known = path.startswith(("/v2/repository/", "/v2/trace/", "/v2/logging")) or path.endswith(
        ("/stats", "/trace/setting")
    )
    if is_known or "sharedmemory" in path:
        return Refusal(501, "this is not supported here. Numbers are at /metrics, and SIGHUP reads the models again")
    return Refusal(404, "no such endpoint. They are listed at /docs")
