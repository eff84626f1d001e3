"""What the endpoints are, for programs (OpenAPI 3.1) and, made of the same, as a page for people."""

from __future__ import annotations

from functools import cache
from typing import Any

from edgesoft.pages.markup import Markup, element, page, table
from edgesoft.version import __version__

_JSON = "application/json"
_BINARY = "application/octet-stream"


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "edgesoft",
            "version": __version__,
            "description": "Small classifiers: pictures and rows as people have them, and arrays by the Open Inference Protocol v2.",
        },
        "paths": {
            "/predict": {"post": _predict()},
            "/v2": {"get": _get("Name, version and extensions of this server")},
            "/v2/health/live": {"get": _get("Whether the process answers; needs no token")},
            "/v2/health/ready": {
                "get": _get("Whether requests are welcome; needs no token", also={"503": "It is stopping"})
            },
            "/v2/repository/index": {"post": _get("The models")},
            "/v2/models/{model}": {"get": _get("What a model takes and gives", _model())},
            "/v2/models/{model}/ready": {"get": _get("Whether a model answers", _model())},
            "/v2/models/{model}/config": {"get": _get("The same in the terms of Triton's configuration", _model())},
            "/v2/models/{model}/infer": {"post": _infer()},
            "/metrics": {"get": _get("Numbers for Prometheus", media="text/plain")},
            "/": {
                "get": _get(
                    "A page to try a model on", _query("model", "string", "Which, of several"), media="text/html"
                )
            },
            "/docs": {"get": _get("This description as a page", media="text/html")},
            "/openapi.json": {"get": _get("This description")},
        },
        "components": {
            "schemas": {"Error": _object({"error": {"type": "string"}}, "error"), "Answer": _answer()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic", "description": "Any name; the token is the password."},
            },
        },
        "security": [{}, {"bearer": []}, {"basic": []}],
    }


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


def _answer() -> dict[str, Any]:
    text, share = {"type": "string"}, {"type": "number", "minimum": 0, "maximum": 1}
    return _object(
        {
            "path": {**text, "description": "Name of the file or of the row, as it was sent"},
            "label": {**text, "description": 'The class, or "unknown"'},
            "rejected": {"type": "boolean", "description": 'Whether the answer is "unknown"'},
            "confidence": share,
            "probabilities": {"type": "object", "additionalProperties": share},
            "model": text,
            "precision": text,
            "provider": text,
            "warnings": {"type": "array", "items": text},
            "seen": {**text, "description": "What the model was fed, in base64, where it was asked for"},
            "error": {**text, "description": "Instead of all but path: why it cannot be read"},
        },
        "path",
    )


def _said(description: str, media: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {media: {"schema": schema}}}


def _responses(good: dict[str, Any], also: dict[str, str]) -> dict[str, Any]:
    error = {"$ref": "#/components/schemas/Error"}
    refused = {"401": "The token is missing or wrong", **also}
    return {"200": good, **{status: _said(text, _JSON, error) for status, text in sorted(refused.items())}}


_REFUSED = {
    "400": "The request is not what was expected; the error says what was",
    "404": "No such model",
    "408": "The body came too slowly",
    "413": "The body is too large, or unpacks to too much",
    "415": "The body is packed or typed in a way that nobody reads here",
    "429": "Too much is waiting already: try again after Retry-After seconds",
    "503": "No answer in time",
}


def _query(name: str, kind: str, description: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": {"type": kind, **more}}


def _model() -> dict[str, Any]:
    return {"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}


def _get(
    summary: str, *parameters: dict[str, Any], media: str = _JSON, also: dict[str, str] | None = None
) -> dict[str, Any]:
    kind = {"type": "string"} if media != _JSON else {}
    also = {**({"404": _REFUSED["404"]} if parameters else {}), **(also or {})}
    return {
        "summary": summary,
        "parameters": list(parameters),
        "responses": _responses(_said("Good", media, kind), also),
    }


def _predict() -> dict[str, Any]:
    answer = {"$ref": "#/components/schemas/Answer"}
    files = {"type": "array", "items": {"type": "string", "contentMediaType": _BINARY}}
    row = {"type": "object", "additionalProperties": {"type": ["number", "string", "boolean", "null"]}}
    return {
        "summary": "Classify a picture file or several, or a row or several: the answers of edgesoft infer --json",
        "parameters": [
            _query("model", "string", "Which, where several are served"),
            _query("top_k", "integer", "Classes in probabilities", default=1, minimum=1),
            _query("reject", "number", "Answer unknown below this probability; 0 always answers", minimum=0, maximum=1),
            _query("seen", "boolean", "Send back what the model was fed", default=False),
        ],
        "requestBody": {
            "required": True,
            "content": {
                "image/*": {"schema": {"type": "string", "contentMediaType": _BINARY}},
                "multipart/form-data": {"schema": _object({"file": files})},
                _JSON: {"schema": {"oneOf": [row, {"type": "array", "items": row}]}},
            },
        },
        "responses": _responses(
            _said(
                "One answer; a list of them for a form or a list, in which some may be errors",
                _JSON,
                {"oneOf": [answer, {"type": "array", "items": answer}]},
            ),
            _REFUSED,
        ),
    }


def _infer() -> dict[str, Any]:
    tensor = {
        "name": {"type": "string"},
        "datatype": {"enum": ["UINT8", "FP32", "INT64", "BYTES"]},
        "shape": {"type": "array", "items": {"type": "integer"}},
        "parameters": {"type": "object"},
        "data": {"type": "array", "items": {}},
    }
    wanted = _object({"name": {"type": "string"}, "parameters": {"type": "object"}}, "name")
    asked = {
        "id": {"type": "string"},
        "parameters": {"type": "object"},
        "inputs": {
            "type": "array",
            "items": _object(tensor, "name", "datatype", "shape"),
            "minItems": 1,
            "maxItems": 1,
        },
        "outputs": {"type": "array", "items": wanted},
    }
    given = {
        "id": {"type": "string"},
        "model_name": {"type": "string"},
        "model_version": {"type": "string"},
        "outputs": {"type": "array", "items": _object(tensor, "name", "datatype", "shape")},
    }
    length = {
        "name": "Inference-Header-Content-Length",
        "in": "header",
        "description": "How many bytes of the body are JSON, where tensors follow as bytes; 0 where the body is the input",
        "schema": {"type": "integer", "minimum": 0},
    }
    good = _said("The outputs", _JSON, _object(given, "model_name", "outputs"))
    good["content"][_BINARY] = {"schema": {"type": "string", "contentMediaType": _BINARY}}
    return {
        "summary": "Classify arrays (Open Inference Protocol v2, with binary tensors and classification)",
        "parameters": [_model(), length],
        "requestBody": {
            "required": True,
            "content": {
                _JSON: {"schema": _object(asked, "inputs")},
                _BINARY: {"schema": {"type": "string", "contentMediaType": _BINARY}},
            },
        },
        "responses": _responses(good, _REFUSED),
    }


def documentation() -> str:
    """The page."""
    sections: list[str] = []
    for path, methods in document()["paths"].items():
        for method, told in methods.items():
            sections += [element("h2", f"{method.upper()} {path}"), element("p", told["summary"]), *_details(told)]
    link = element("a", "openapi.json", href="openapi.json")
    lead = element("p", document()["info"]["description"], " For programs: ", link)
    return page("edgesoft", element("h1", f"edgesoft {__version__}"), lead, *sections)


def _details(told: dict[str, Any]) -> list[Markup]:
    found = []
    if told["parameters"]:
        rows = [[each["name"], each["in"], each.get("description", "")] for each in told["parameters"]]
        found.append(table(["parameter", "in", ""], rows))
    if "requestBody" in told:
        found.append(element("p", "Body: ", ", ".join(told["requestBody"]["content"])))
    found.append(table(["status", ""], [[status, said["description"]] for status, said in told["responses"].items()]))
    return found
