"""What proxies of tests are made of: connections that are taken in threads, and bytes that go through both ways."""

import socket
import threading
from contextlib import contextmanager, suppress


@contextmanager
def listening(serve):
    """Gives host and port where every connection is served in a thread of its own.

    Args:
        serve: Takes the connection, and the event that says that all is over.
    """
    threads, over = [], threading.Event()
    opened = socket.create_server(("127.0.0.1", 0))

    def accept():
        while True:
            client, _ = opened.accept()
            if over.is_set():
                client.close()
                return
            client.settimeout(10)
            threads.append(threading.Thread(target=serve, args=(client, over)))
            threads[-1].start()

    threads.append(threading.Thread(target=accept))
    threads[0].start()
    try:
        yield "{}:{}".format(*opened.getsockname())
    finally:
        over.set()
        socket.create_connection(opened.getsockname()).close()
        for thread in threads:
            thread.join()
        opened.close()


def tunnel(client, port):
    """Passes on what comes, both ways, until both sides have ended."""
    with socket.create_connection(("127.0.0.1", port)) as server:
        back = threading.Thread(target=_pump, args=(server, client))
        back.start()
        _pump(client, server)
        back.join()


def _pump(source, sink):
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
