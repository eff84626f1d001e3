"""An ONNX graph -> the bytes of a model file: card, golden examples, and the digests of all parts."""

from __future__ import annotations

from pathlib import Path

from onnx import ModelProto, helper

from edgesoft.model.card import ModelCard
from edgesoft.model.file import CARD_KEY, DIGEST_KEY, GOLDEN_KEY, format_digests, parse_model
from edgesoft.model.golden import Golden


def with_digests(graph: ModelProto, card: ModelCard, golden: Golden | None = None) -> bytes:
    """Put everything that the file must say about itself into its metadata.

    The digests are computed by the reader that will check them, over the bytes that it will find; `graph` itself is not changed.
    """
    model = ModelProto()
    model.CopyFrom(graph)
    metadata = {CARD_KEY: card.to_json()}
    if golden is not None:
        metadata[GOLDEN_KEY] = golden.encode()
    helper.set_model_props(model, {**metadata, DIGEST_KEY: ""})
    digests = parse_model(model.SerializeToString(deterministic=True), Path()).digests
    helper.set_model_props(model, {**metadata, DIGEST_KEY: format_digests(digests)})
    return bytes(model.SerializeToString(deterministic=True))
