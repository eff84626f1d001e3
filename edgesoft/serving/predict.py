"""`POST /predict`: pictures and rows as people have them, and the answers of `edgesoft infer --json`."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import python_multipart  # noqa: F401 - Starlette reads forms with it, and would miss it only then
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from edgesoft.inference.answers import AnswerForm
from edgesoft.inference.batches import Reading, Unreadable, classify
from edgesoft.inference.classifier import Classifier
from edgesoft.serving.refusal import Refusal, wrong
from edgesoft.tables.json_document import read_rows
from edgesoft.tables.spec import TableError, TableSpec

BODY = "body"
"""What the answer calls a picture or a row that has no name."""

Sources = Sequence[tuple[str, Any]]


async def read_sources(body: bytes, headers: Headers, classifier: Classifier, most: int) -> tuple[Sources, bool]:
    """The pictures or rows of a request, each with a name, and whether they are several, so that the answer is a list.

    Raises
    ------
    Refusal
        The body is not what the model takes.
    """
    spec = classifier.card.input
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if isinstance(spec, TableSpec):
        if kind == "multipart/form-data":
            raise Refusal(415, "this model takes rows: send JSON, an object with the columns' names or a list of them")
        try:
            rows, is_list = read_rows(body, spec, most)
        except TableError as error:
            raise wrong(str(error)) from None
        return [(f"row {row.line}" if is_list else BODY, row) for row in rows], is_list
    if kind == "multipart/form-data":
        return await _files(body, headers, most), True
    if kind == "application/json":
        raise Refusal(
            415, "this model takes pictures: send the bytes of a picture file, or several as multipart/form-data"
        )
    if not body:
        raise wrong("the body is empty: send the bytes of a picture file")
    return [(BODY, body)], False


class _Parser(MultiPartParser):
    spool_max_size = 2**40  # the body is in memory already, and nothing is written to a disk


async def _files(body: bytes, headers: Headers, most: int) -> Sources:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    try:
        form = await _Parser(headers, stream(), max_files=most, max_fields=most).parse()
    except (MultiPartException, KeyError, ValueError) as error:
        message = getattr(error, "message", "") or "it has no boundary, or its parts have no names"
        raise wrong(f"no multipart/form-data ({str(message)[:100]}): send each picture as a file") from None
    files = [part for _, part in form.multi_items() if isinstance(part, UploadFile)]
    if not files:
        raise wrong("no file in the form: send each picture as a file, such as curl -F file=@picture.png")
    return [(file.filename or BODY, file.file.read()) for file in files]


def classify_all(
    classifier: Classifier, sources: Sources, *, name: str, top_k: int, reject: float | None, seen: bool
) -> list[tuple[dict[str, Any], Reading | Unreadable]]:
    """Read and classify, as `edgesoft infer --json` does; `seen` adds what the model was fed. Takes long: not for the event loop."""
    form, documents = AnswerForm.of(classifier, top_k, name=name), []
    for reading in classify(classifier, sources, reject=reject):
        document = form.document(reading)
        if seen and isinstance(reading, Reading):
            document["seen"] = base64.b64encode(reading.inputs.tobytes()).decode()
        documents.append((document, reading))
    return documents
