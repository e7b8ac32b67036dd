"""A server that answers with the very bytes a test gives it, and keeps what it was asked."""

import socket
import ssl
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, field


@dataclass
class ClaimRequest:
    method: str
    path: str
    headers: dict
    body: bytes


def answer(status=200, body=b'{"status": "healthy"}', **headers):
    """The bytes of an answer; `content_length=None` leaves the header out."""
    said = {"content_type": "application/json", "content_length": len(body), **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in said.items() if value is not None]
    return "\r\n".join([f"HTTP/1.1 {status} Said", *lines, "", ""]).encode("latin-1") + body


class Peer:
    """One connection, as a script deals with it."""

    def __init__(self, server, connection):
        self.server = server
        self.connection = connection
        self._file = connection.makefile("rb")

    def read(self):
        """The next request, None when the client is gone."""
        line = self._file.readline().decode("latin-1").split()
        if not line:
            return None
        headers = {}
        while (header := self._file.readline().decode("latin-1").strip()) != "":
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        body = self._file.read(int(headers.get("content-length", 0)))
        self.server.asked.append(ClaimRequest(line[0], line[1], headers, body))
        return self.server.asked[-1]

    def send(self, data):
        self.connection.sendall(data)

    def trickle(self, data, every=0.03):
        """Byte by byte, for as long as somebody listens."""
        for byte in data:
            if self.server.over.wait(every):
                return
            self.send(bytes([byte]))

    def hang(self):
        """Says nothing until the server is closed."""
        self.server.over.wait()

    def tear(self):
        """Closes the connection without the goodbye of TLS."""
        socket.socket(fileno=self.connection.detach()).close()

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def says(*answers):
    """A script: one answer for each request on a connection, then the connection is closed."""

    def script(peer):
        for data in answers:
            if peer.read() is None:
                return
            peer.send(data)

    return script


@dataclass
class RawServer:
    """Serves its n-th connection with its n-th script, all further ones with the last."""

    scripts: tuple
    tls: ssl.SSLContext | None = None
    asked: list = field(default_factory=list)
    connections: int = 0

    def __enter__(self):
        self.over = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.url = f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/api"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        return self

    def __exit__(self, *_):
        self.over.set()
        with socket.create_connection(("127.0.0.1", self.port)):
            pass
        for thread in self._threads:
            thread.join()
        self._listening.close()

    def threads_end(self, connections):
        """Returns when the first connections have been closed."""
        for thread in self._threads[1 : connections + 1]:
            thread.join()

    def _accept(self):
        while True:
            connection, _ = self._listening.accept()
            if self.over.is_set():
                connection.close()
                return
            script = self.scripts[min(self.connections, len(self.scripts) - 1)]
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection, script))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection, script):
        connection.settimeout(10)
        with suppress(OSError), connection:
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True, suppress_ragged_eofs=True)
            with connection:
                peer = Peer(self, connection)
                try:
                    script(peer)
                finally:
                    peer._file.close()


def raw_server(*scripts, tls=None):
    return RawServer(scripts, tls)
