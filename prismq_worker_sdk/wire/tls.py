"""TLS for connections: whom they trust and what they show; files that were replaced are read again for the next one."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.system import is_exhaustion
from prismq_worker_sdk.wire.connection_options import ConnectionOptions
from prismq_worker_sdk.wire.reasons import NoAnswerError

if TYPE_CHECKING:
    import ssl

CA_FILE = "--ca-file (TASKMANAGER_CA_FILE)"
CLIENT_CERT = "--client-cert (TASKMANAGER_CLIENT_CERT)"
CLIENT_KEY = "--client-key (TASKMANAGER_CLIENT_KEY)"
CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""Those of other programs, the first that is set, where there is no setting of ours."""

Version: TypeAlias = tuple[str, int, int, int]
"""A file as it is now: its path, and what changes when it is replaced."""


def context_of(options: ConnectionOptions) -> ssl.SSLContext:
    """TLS as the options say; shared, so it must not be changed.

    Raises:
        NoAnswerError: A file cannot be used; names it, and says why.
        OSError: Nothing is left to read it with.
    """
    try:
        return _context(
            _version(_ca_file(options), _ca_name(options)),
            None if options.client_cert is None else _version(options.client_cert, CLIENT_CERT),
            None if options.client_key is None else _version(options.client_key, CLIENT_KEY),
        )
    except SettingsError as error:
        raise NoAnswerError(str(error)) from None


def check_files(options: ConnectionOptions) -> None:
    """Raises SettingsError for a file of the options that cannot be used; what the environment names may still come."""
    if options.client_key is not None and options.client_cert is None:
        raise SettingsError(f"{CLIENT_KEY} is given without {CLIENT_CERT}; give both, or neither")
    if options.ca_file is None and options.client_cert is None:
        return
    try:
        context_of(options)
    except NoAnswerError as error:
        if options.ca_file is not None or CLIENT_CERT in str(error) or CLIENT_KEY in str(error):
            raise SettingsError(str(error)) from None


def _ca_file(options: ConnectionOptions) -> Path:
    if options.ca_file is not None:
        return options.ca_file
    if (name := _ca_variable()) is not None:
        return Path(os.environ[name])
    import certifi  # noqa: PLC0415 - for https alone

    return Path(certifi.where())


def _ca_variable() -> str | None:
    return next((name for name in CA_VARIABLES if os.environ.get(name)), None)


def _ca_name(options: ConnectionOptions) -> str:
    return CA_FILE if options.ca_file is not None else _ca_variable() or "the list of public CAs"


def trusted_by(options: ConnectionOptions) -> str | None:
    """What the CA certificates are named by, for `requests`; None for those of certifi."""
    return None if _ca_name(options) not in {CA_FILE, *CA_VARIABLES} else str(_ca_file(options))


def _version(path: Path, name: str) -> tuple[str, Version]:
    """A file with the name of its setting."""
    try:
        found = path.stat()
    except OSError as error:
        raise _unusable(name, path, error) from None
    return name, (str(path), found.st_mtime_ns, found.st_ino, found.st_size)


def _unusable(name: str, path: Path | str, error: OSError) -> Exception:
    if is_exhaustion(error):
        return error
    if hasattr(error, "library"):  # what OpenSSL says helps nobody
        return SettingsError(f"{name} names {path}, which holds no certificate in PEM form that can be used")
    return SettingsError(f"{name} names {path}, which cannot be read ({error.strerror or error})")


@lru_cache(maxsize=8)
def _context(
    ca: tuple[str, Version], certificate: tuple[str, Version] | None, key: tuple[str, Version] | None
) -> ssl.SSLContext:
    import ssl  # noqa: PLC0415 - for https alone

    name, (path, *_) = ca
    folder = Path(path).is_dir()
    try:
        context = ssl.create_default_context(cafile=None if folder else path, capath=path if folder else None)
    except OSError as error:  # of ssl too
        raise _unusable(name, path, error) from None
    context.set_alpn_protocols(["http/1.1"])
    if certificate is not None:
        shown = certificate[0], Path(certificate[1][0])
        show_certificate(context, shown, shown if key is None else (key[0], Path(key[1][0])))
    return context


def show_certificate(context: ssl.SSLContext, certificate: tuple[str, Path], key: tuple[str, Path]) -> None:
    """Lets a context show a certificate from its next connection on; nobody is asked for a password on the terminal.

    Args:
        certificate: The name of its setting, and the file.
        key: The same of its private key; the same file where it holds both.

    Raises:
        SettingsError: One of them cannot be used; says which, and what to do.
    """
    for (name, path), kind in ((certificate, "CERTIFICATE"), (key, "PRIVATE KEY")):
        try:
            text = path.read_bytes()
        except OSError as error:
            raise _unusable(name, path, error) from None
        if f"{kind}-----".encode() not in text:
            also = (
                "; give the file of its key too" if path == certificate[1] and kind != "CERTIFICATE" else ""
            )
            raise SettingsError(f"{name} names {path}, which holds no {kind.lower()} in PEM form{also}")
        if kind == "PRIVATE KEY" and b"ENCRYPTED" in text:
            raise SettingsError(
                f"{name} names {path}, whose key is encrypted, and nobody is there to type its password; give it "
                "unencrypted (openssl pkey), readable for this user alone"
            )
    try:
        context.load_cert_chain(certificate[1], key[1], password="")
    except OSError as error:
        if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
            raise SettingsError(
                f"{key[0]} names {key[1]}, whose key is not that of the certificate in {certificate[1]}; give the two "
                "that belong together"
            ) from None
        raise _unusable(*certificate, error) from None
