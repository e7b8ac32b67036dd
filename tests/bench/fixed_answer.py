"""A server that answers every request with the same bytes, so that what is measured is the client."""

import asyncio

BODY = b"null"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(BODY),
    BODY,
)


class Answering(asyncio.Protocol):
    def __init__(self):
        self.data = b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.data += data
        while (request := whole(self.data)) is not None:
            self.data = self.data[request:]
            self.transport.write(ANSWER)


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
