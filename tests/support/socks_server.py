"""A SOCKS5 proxy for tests: every name that it is asked for leads to one place."""

import socket
import threading
from contextlib import contextmanager, suppress


@contextmanager
def socks_server(port, *, trickles=False):
    """Gives the proxy's address and the names it was asked for.

    Args:
        port: Where every connection ends, on this machine.
        trickles: Whether it says nothing at all.
    """
    names, over, threads = [], threading.Event(), []
    listening = socket.create_server(("127.0.0.1", 0))

    def pump(source, sink):
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def serve(client):
        with client, suppress(OSError):
            file = client.makefile("rb")
            _version, methods = file.read(2)
            file.read(methods)
            if trickles:
                over.wait()
                return
            client.sendall(b"\x05\x00")
            kind = file.read(4)[3]
            names.append(file.read(file.read(1)[0] if kind == 3 else 4))
            file.read(2)
            client.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
            with socket.create_connection(("127.0.0.1", port)) as server:
                back = threading.Thread(target=pump, args=(server, client))
                back.start()
                pump(client, server)
                back.join()

    def accept():
        while True:
            client, _ = listening.accept()
            if over.is_set():
                client.close()
                return
            threads.append(threading.Thread(target=serve, args=(client,)))
            threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}", names
    finally:
        over.set()
        socket.create_connection(listening.getsockname()).close()
        accepting.join()
        for thread in threads:
            thread.join()
        listening.close()
