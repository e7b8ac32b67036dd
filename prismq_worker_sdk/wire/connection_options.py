"""What connections are to know beyond the address: whom they trust, what they show of this process, by which proxy."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

PROXY_SCHEMES = ("http", "https", "socks5", "socks5h", "socks4", "socks4a")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionOptions:
    """How a server is reached; all of it may be left out.

    Attributes:
        ca_file: PEM file, or folder, of the CA certificates to trust, and no others. Unless given, what
            REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE or SSL_CERT_FILE names, else the public ones of certifi.
        client_cert: PEM file of the certificate that this process shows, with those between it and its CA.
        client_key: PEM file of its private key, not encrypted; in `client_cert` unless given.
        proxy: `http://host:port`, with `user:password@` where it wants that; also `https`, `socks5`, `socks5h`. Unless
            given, what HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY say.
    """

    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    proxy: str | None = field(default=None, repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no sink may show: the password for the proxy."""
        password = urlsplit(self.proxy or "").password
        return () if not password else tuple({password, unquote(password)})


NO_OPTIONS = ConnectionOptions()


def proxy_address(text: str) -> str:
    """The address of a proxy, as it was given.

    Raises:
        ValueError: It is none; never shows it, for it may hold a password.
    """
    try:
        parts = urlsplit(text.strip())
        is_one = parts.scheme in PROXY_SCHEMES and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_one = False
    if not is_one or not text.isprintable() or " " in text.strip():
        raise ValueError(
            f"is no address of a proxy ({', '.join(PROXY_SCHEMES)}); write it like http://proxy:3128"
        )
    return text.strip()
