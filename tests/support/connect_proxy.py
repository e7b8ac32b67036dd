"""An HTTP proxy for tests that opens tunnels; every name that it is asked for leads to one place."""

import base64
import socket
import threading
from contextlib import contextmanager, suppress


@contextmanager
def connect_proxy(port, *, log_in=None):
    """Gives the proxy's address and the places it was asked for.

    Args:
        port: Where every tunnel ends, on this machine.
        log_in: `user:password` that it asks for.
    """
    asked, threads, over = [], [], threading.Event()
    listening = socket.create_server(("127.0.0.1", 0))
    wanted = log_in and "basic " + base64.b64encode(log_in.encode()).decode()

    def pump(source, sink):
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def serve(client):
        with client, suppress(OSError), client.makefile("rb", buffering=0) as file:
            method, place, _ = file.readline().decode().split()
            headers = {}
            while (line := file.readline().decode().strip()) != "":
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            given = headers.get("proxy-authorization", "")
            asked.append((method, place))
            if wanted and (given[:6].lower() + given[6:]) != wanted:
                client.sendall(b"HTTP/1.1 407 Log in\r\nContent-Length: 0\r\n\r\n")
                return
            client.sendall(b"HTTP/1.1 200 Go on\r\n\r\n")
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
            client.settimeout(10)
            threads.append(threading.Thread(target=serve, args=(client,)))
            threads[-1].start()

    threads.append(threading.Thread(target=accept))
    threads[0].start()
    address = f"127.0.0.1:{listening.getsockname()[1]}"
    try:
        yield address, asked
    finally:
        over.set()
        socket.create_connection(listening.getsockname()).close()
        for thread in threads:
            thread.join()
        listening.close()
