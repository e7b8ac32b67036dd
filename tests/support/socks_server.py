"""A SOCKS5 proxy for tests: every name that it is asked for leads to one place."""

from contextlib import contextmanager, suppress

from tests.support.tunnels import listening, tunnel


@contextmanager
def socks_server(port, *, trickles=False):
    """Gives the proxy's address and the names it was asked for.

    Args:
        port: Where every connection ends, on this machine.
        trickles: Whether it says nothing at all.
    """
    names = []

    def serve(client, over):
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
            tunnel(client, port)

    with listening(serve) as address:
        yield address, names
