"""An HTTP proxy for tests that opens tunnels; every name that it is asked for leads to one place."""

import base64
from contextlib import contextmanager, suppress

from tests.support.tunnels import listening, tunnel


@contextmanager
def connect_proxy(port, *, log_in=None):
    """Gives the proxy's address and the places it was asked for.

    Args:
        port: Where every tunnel ends, on this machine.
        log_in: `user:password` that it asks for.
    """
    asked = []
    wanted = log_in and "basic " + base64.b64encode(log_in.encode()).decode()

    def serve(client, _over):
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
            tunnel(client, port)

    with listening(serve) as address:
        yield address, asked
