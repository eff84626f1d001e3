"""What the server answers instead of an answer."""

from __future__ import annotations


class Refusal(Exception):
    """A request that gets no answer: its status, and one line that says what came, what was expected and what to do.

    Parameters
    ----------
    status
        The HTTP status.
    message
        One line.
    reason
        One word for the metrics where a limit was met; empty for requests that are wrong.
    headers
        More headers of the response.
    closes
        Whether the connection ends with this answer: the rest of its request is not read.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        reason: str = "",
        headers: tuple[tuple[str, str], ...] = (),
        closes: bool = False,
    ) -> None:
        super().__init__(message)
        self.status, self.reason, self.closes = status, reason, closes
        self.headers = (*headers, ("connection", "close")) if closes else headers


def wrong(message: str) -> Refusal:
    """A request that is not what was expected."""
    return Refusal(400, message)


def busy(message: str, reason: str, *, closes: bool = False) -> Refusal:
    """A request too many: the same one may be sent again in a second."""
    return Refusal(429, message, reason=reason, headers=(("retry-after", "1"),), closes=closes)
