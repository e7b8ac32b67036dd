"""The certificate that the server shows; one that was renewed is taken up without a restart."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.taskmanager.config import TaskManagerConfig
from prismq_worker_sdk.wire.tls import show_certificate

_LOG = logging.getLogger("prismq.taskmanager")


def check_certificate(config: TaskManagerConfig) -> None:
    """Raises SettingsError for a certificate or key that cannot be served with."""
    if config.tls_cert is not None:
        ServedCertificate(config).show(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    elif config.tls_key is not None:
        raise SettingsError("--tls-key is given without --tls-cert; give both, or neither")


class ServedCertificate:
    """The files of a certificate and its key, of a configuration that has them."""

    def __init__(self, config: TaskManagerConfig) -> None:
        certificate = config.tls_cert or Path()
        key = ("--tls-cert", certificate) if config.tls_key is None else ("--tls-key", config.tls_key)
        self._certificate, self._key = ("--tls-cert", certificate), key
        self._shown = self._versions()

    def show(self, context: ssl.SSLContext) -> None:
        """Lets a context show it from its next connection on; raises SettingsError where it cannot be used."""
        show_certificate(context, self._certificate, self._key)

    def renew(self, context: ssl.SSLContext) -> None:
        """Shows the files that are there now, if they were replaced; those that cannot be used change nothing."""
        found = self._versions()
        if found == self._shown:
            return
        self._shown = found
        try:
            self.show(context)
        except (SettingsError, OSError) as error:
            _LOG.error("the old certificate is served on: %s", error)
        else:
            _LOG.info("the new certificate of %s is served", self._certificate[1])

    def _versions(self) -> list[tuple[int, int] | None]:
        found: list[tuple[int, int] | None] = []
        for _name, path in (self._certificate, self._key):
            try:
                state = path.stat()
            except OSError:
                found.append(None)
            else:
                found.append((state.st_mtime_ns, state.st_ino))
        return found
