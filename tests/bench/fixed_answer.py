"""A server that answers every request with the same bytes, so that what is measured is the client."""

import asyncio
import socket
import sys

BODY = b"null"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY)
IN_PIECES = "in pieces" in sys.argv[1:]
"""Writes head and body apart, and leaves it to the system when they go out."""


class Answering(asyncio.Protocol):
    def __init__(self):
        self.data = b""

    def connection_made(self, transport):
        self.transport = transport
        if IN_PIECES:
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)

    def data_received(self, data):
        self.data += data
        while (request := whole(self.data)) is not None:
            self.data = self.data[request:]
            for piece in (HEAD, BODY) if IN_PIECES else (HEAD + BODY,):
                self.transport.write(piece)


def whole(data):
    """The length of the first request, None while it is not all there."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    found = data[:end].lower().find(b"content-length:")
    length = int(data[found:end].split(b"\r\n")[0].split(b":")[1]) if found >= 0 else 0
    return end + 4 + length if len(data) >= end + 4 + length else None


async def main():
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
