"""Fetches a file whose SHA-256 is known. The only place where edgesoft reaches the network, and only when the user says --download."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Any

from edgesoft.errors import EdgesoftError
from edgesoft.files import reason

CHUNK = 2**20
PATIENCE = 30
"""Seconds without a byte until the other side is given up."""


class _StaySafe(urllib.request.HTTPRedirectHandler):
    """Follows no redirection to an address that is not encrypted."""

    def redirect_request(self, req: Any, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str) -> Any:
        """As the base class, with https only."""
        if not newurl.startswith("https://"):
            fp.close()
        _check(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch(address: str, path: Path, *, sha256: str, limit: int) -> None:
    """Fetch a file over https, unless it is there; it appears under its name only when it is whole and the right one.

    Parameters
    ----------
    address
        Its address, https.
    path
        Where it goes.
    sha256
        The SHA-256 that its bytes must have, in hexadecimal.
    limit
        Most bytes that are taken.

    Raises
    ------
    EdgesoftError
        It cannot be fetched or written, or is another file. Nothing is left at `path` then.
    """
    if path.exists():
        return
    _check(address)
    partial = path.with_name(f".{path.name}.{os.urandom(4).hex()}.partial")
    digest = hashlib.sha256()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("xb") as file, _open(address) as answer:
            length = 0
            while chunk := answer.read(CHUNK):
                length += len(chunk)
                if length > limit:
                    raise EdgesoftError(f"{address}: sends more than {limit / 1e6:.0f} MB. Fetch it by hand to {path}")
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != sha256:
            raise EdgesoftError(
                f"{address}: is not the file that was published (its SHA-256 is {digest.hexdigest()}, expected {sha256}). "
                f"Look for another source, and put it at {path}"
            )
        partial.replace(path)
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        # An error of the network hides its reason within; one of the disk has none.
        inner = getattr(error, "reason", None) or error
        said = reason(inner) if isinstance(inner, OSError) else " ".join(str(inner).split())
        raise EdgesoftError(f"{address}: cannot be fetched to {path} ({said}). Put the file there by hand") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def _check(address: str) -> None:
    if not address.startswith("https://"):
        raise EdgesoftError(f"{address}: is not encrypted (https), and is not fetched. Put the file there by hand")


def _open(address: str) -> Any:
    return urllib.request.build_opener(_StaySafe).open(address, timeout=PATIENCE)
