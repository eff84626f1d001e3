"""What a connection writes, over real sockets."""

import asyncio
import socket

import pytest

from edgesoft.serving.http import _Gathering
from tests.serving.conftest import MNIST
from tests.serving.running import Running


class Written(asyncio.Transport):
    """A transport that remembers each write."""

    def __init__(self):
        self.writes, self.is_closed = [], False

    def write(self, piece):
        assert not self.is_closed
        self.writes.append(bytes(piece))

    def close(self):
        self.is_closed = True

    def get_write_buffer_size(self):
        return 7


def test_what_one_turn_of_the_loop_writes_goes_out_as_one():
    async def run():
        transport = Written()
        gathering = _Gathering(transport, asyncio.get_running_loop())
        gathering.write(b"head")
        gathering.write(b"body")
        assert transport.writes == []
        await asyncio.sleep(0)
        gathering.write(b"next")
        gathering.close()
        await asyncio.sleep(0)
        assert transport.writes == [b"headbody", b"next"]
        assert transport.is_closed
        assert gathering.get_write_buffer_size() == 7

    asyncio.run(run())


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Running(MNIST, folder=tmp_path_factory.mktemp("http")) as running:
        yield running


def exchange(server, sent, *more, until):
    """What comes back for bytes, and for more of them after the first answer."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(sent)
        came = b""
        while until not in came:
            piece = connection.recv(65536)
            assert piece, came
            came += piece
            if more and b"\r\n\r\n" in came:
                connection.sendall(more[0])
                more = more[1:]
        return came


def test_an_answer_without_a_body_comes_too(server):
    head = b"HEAD /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n"
    came = exchange(server, head, until=b"\r\n\r\n")
    assert came.startswith(b"HTTP/1.1 200 OK\r\n")
    assert came.endswith(b"\r\n\r\n")


def test_who_asks_before_sending_is_told_to_go_on(server):
    head = b"POST /v2/models/mnist/infer HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 784\r\n"
    head += b"inference-header-content-length: 0\r\n\r\n"
    came = exchange(server, head, bytes(784), until=b"HTTP/1.1 200 OK")
    assert came.startswith(b"HTTP/1.1 100 Continue\r\n\r\n")


def test_several_requests_in_one_packet_are_answered_in_order(server):
    asked = b"".join(
        b"GET %s HTTP/1.1\r\nhost: x\r\n\r\n" % path
        for path in (b"/v2/health/live", b"/v2/health/ready", b"/v2/models/mnist/ready", b"/nowhere")
    )
    came = exchange(server, asked, until=b"listed at /docs")
    places = [came.index(text) for text in (b'"live"', b'{"ready"', b'"name":"mnist"', b"no such endpoint")]
    assert places == sorted(places)
    assert came.count(b"HTTP/1.1 ") == 4
