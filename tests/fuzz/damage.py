"""Bytes that were honest once: damaged as disks, networks and enemies do."""

from __future__ import annotations

import io
import random
import struct
import zipfile

import numpy as np

INTERESTING = (0, 1, 0x7F, 0x80, 0xFF)


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Bits turned, pieces cut out, doubled, moved or overwritten."""
    data = bytearray(content or b"\0")
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        place = rng.randrange(len(data)) if rng.random() < 0.6 else rng.randrange(min(len(data), 200))
        length = min(rng.choice((1, 2, 4, 8, 64, 1000)), len(data) - place)
        match rng.randrange(8):
            case 0 | 1 | 2:
                data[place] ^= 1 << rng.randrange(8)
            case 3:
                data[place] = rng.choice(INTERESTING)
            case 4:
                del data[place : place + length]
            case 5:
                data[place:place] = data[place : place + length] * rng.choice((1, 2, 50))
            case 6:
                data[place : place + length] = rng.choice((bytes(length), b"\xff" * length, rng.randbytes(length)))
            case 7:
                del data[place or 1 :]
        data = data or bytearray(1)
    return bytes(data)


# Arrays that no reader may take, whatever stands in them.
_FOREIGN_TYPES = (
    "|O",
    "<c16",
    "<M8[s]",
    "<m8[D]",
    "|V8",
    "<f16",
    "[('a', '<f8'), ('b', '<i4')]",
    "<f4, <i2",
    "<q9",
    "datetime64",
)
_TYPES = ("<f8", ">f4", "<f2", "<i8", ">i2", "|u1", "|b1", "<u8", "<U3", "|S2", ">U1", "<U0", "|S0")
_SHAPES = ("()", "(0,)", "(1,)", "(60,)", "(-1,)", "(60, 4)", "(0, 4)", "(60, 0)", "(2**62, 2**62)", f"({2**45},)", f"({2**62}, {2**62})",
           "(1.5,)", "('a',)", "(True,)", "60", "[60, 4]", "((60, 4),)", f"({'1, ' * 40})", f"({'9' * 5000},)", "(60, 4", "None", "(60, 4, 0, 7)")  # fmt: skip
_HEADERS = ("{", "(" * 3000, "[" * 90000, "{'descr': ", "'" * 50, "{" + " " * 70000 + "}", "__import__('os')", "\0\0\0", "{'a': 1}", "\ud7ff",
            "{'descr': '<f8', 'fortran_order': 'maybe', 'shape': (1,)}", "{'descr': '<f8', 'fortran_order': False}", "1 +", "lambda: 0", "f'{0}'")  # fmt: skip


def npy(header: str, body: bytes, version: tuple[int, int] = (1, 0)) -> bytes:
    """An array's file: a header that says anything, and a body."""
    text = header.encode("utf-8" if version[0] == 3 else "latin-1", "replace") + b"\n"
    size = struct.pack("<H", len(text) % 2**16) if version[0] == 1 else struct.pack("<I", len(text))
    return b"\x93NUMPY" + bytes(version) + size + text + body


def odd_array(array: np.ndarray, rng: random.Random) -> bytes:
    """An array whose header and body do not agree, or that holds what no reader takes."""
    body = array.tobytes()
    version = rng.choice(((1, 0), (1, 0), (2, 0), (3, 0), (0, 0), (9, 9), (1, 7)))
    if rng.random() < 0.25:
        return npy(rng.choice(_HEADERS), body, version)
    kind = rng.choice((repr(array.dtype.str), *map(repr, _FOREIGN_TYPES[:6]), *_FOREIGN_TYPES[6:7], *map(repr, _TYPES)))
    shape = rng.choice((str(array.shape), *_SHAPES))
    order = rng.choice(("False", "False", "True", "1", "None"))
    return npy(
        f"{{'descr': {kind}, 'fortran_order': {order}, 'shape': {shape}, }}",
        body[: rng.choice((None, None, 8, 0))],
        version,
    )


def foreign_array(array: np.ndarray, rng: random.Random) -> bytes:
    """An array of a type that is neither number nor text, well formed."""
    made: list[np.ndarray] = [
        array.astype(np.complex128) if array.dtype.kind != "U" else np.zeros(len(array), np.complex64),
        np.zeros(array.shape, "<M8[s]"),
        np.zeros(array.shape, "<m8[D]"),
        np.zeros(array.shape, "V8"),
        np.zeros(array.shape, [("a", "<f8"), ("b", "<i4")]),
    ]
    out = io.BytesIO()
    if rng.random() < 0.2:
        np.lib.format.write_array(out, np.array(array, object), allow_pickle=True)
    else:
        np.lib.format.write_array(out, rng.choice(made), allow_pickle=False)
    return out.getvalue()


def zipped(members: dict[str, bytes], rng: random.Random) -> bytes:
    """An archive, packed in one of the ways that zip knows."""
    out = io.BytesIO()
    method = rng.choice((zipfile.ZIP_STORED,) * 4 + (zipfile.ZIP_DEFLATED,) * 2 + (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name or "/", content)  # without a name, zipfile writes none
    return out.getvalue()


def relabelled(archive: bytes, rng: random.Random) -> bytes:
    """An archive whose members say something else about themselves: flags, version, method, sizes, sums, places."""
    data = bytearray(archive)
    starts = [
        place for signature in (b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06") for place in _places(archive, signature)
    ]
    for _ in range(rng.choice((1, 1, 2, 4))):
        start = rng.choice(starts)
        field = start + rng.choice((4, 6, 8, 10, 14, 18, 20, 22, 24, 26, 28, 30, 42))
        value = rng.choice((0, 1, 9, 20, 99, 2**15, 2**16 - 1, 2**31 - 1, 2**32 - 1, rng.randrange(2**32)))
        width = rng.choice((1, 2, 4))
        if field + width <= len(data):
            data[field : field + width] = (value % 256**width).to_bytes(width, "little")
    return bytes(data)


def _places(content: bytes, sought: bytes) -> list[int]:
    found, place = [], content.find(sought)
    while place >= 0:
        found.append(place)
        place = content.find(sought, place + 1)
    return found


def odd_archive(arrays: dict[str, np.ndarray], rng: random.Random) -> tuple[bytes, bool]:
    """An `.npz` file with something wrong, and whether certainly no reader may take it."""
    members = {}
    for name, array in arrays.items():
        out = io.BytesIO()
        np.lib.format.write_array(out, array, allow_pickle=False)
        members[f"{name}.npy"] = out.getvalue()
    chosen = rng.choice([name for name in members if rng.random() < 0.5] or list(members))
    array = arrays[chosen.removesuffix(".npy")]
    is_wrong = False
    match rng.randrange(9):
        case 0:
            return damaged(zipped(members, rng), rng), False
        case 1:
            return relabelled(zipped(members, rng), rng), False
        case 2 | 3:
            members[chosen] = odd_array(array, rng)
        case 4:
            members[chosen], is_wrong = foreign_array(array, rng), True
        case 5:
            members[chosen] = rng.choice(
                (b"", b"hello", members[chosen][:9], b"PK\x03\x04", damaged(members[chosen], rng))
            )
        case 6:
            del members[chosen]
        case 7:
            content = members.pop(chosen)
            members[
                rng.choice(
                    (chosen + ".npy", "../" + chosen, chosen.upper(), "", "a" * 5000, "\x1b[31m.npy", chosen[:-4])
                )
            ] = content
        case 8:
            out = io.BytesIO()
            values = np.atleast_1d(array.astype(float)) if array.dtype.kind in "iufb" else np.zeros(len(array))
            with np.errstate(all="ignore"):
                odd = rng.choice((values * np.nan, values * np.inf, values.reshape(-1), values[:0], values[..., None], values * 1e300, values + 0.5,
                                  np.float64(3), -values, values.astype(np.float16), values.astype(">f8"), np.asfortranarray(values)))  # fmt: skip
            np.lib.format.write_array(out, np.asarray(odd), allow_pickle=False)
            members[chosen] = out.getvalue()
    return zipped(members, rng), is_wrong
