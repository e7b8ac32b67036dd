"""Certificates that tests make: a CA of their own, servers and clients with it, ended and not begun ones."""

import ssl
from datetime import datetime, timedelta, timezone

import trustme
from cryptography.hazmat.primitives import serialization

DAY = timedelta(days=1)


class Authority:
    """A CA, and the files of what it signs in a folder."""

    def __init__(self, folder):
        self._folder = folder
        self._ca = trustme.CA()
        self._made = 0
        self.file = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(self.file)

    def signs(self, *names, since=-2 * DAY, until=365 * DAY, file=None):
        """A file with a key and its certificate for these names, from and until so long from now."""
        now = datetime.now(timezone.utc)
        made = self._ca.issue_cert(
            *(names or ("127.0.0.1", "localhost")), not_before=now + since, not_after=now + until
        )
        self._made += 1
        file = file or self._folder / f"certificate-{self._made}.pem"
        new = file.with_suffix(".new")
        made.private_key_and_cert_chain_pem.write_to_path(new)
        new.chmod(0o600)
        new.replace(file)
        return file

    def serves(self, certificate, *, clients_of=None, tls=None):
        """What a server takes for TLS, which may ask its clients for a certificate of another CA."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        if clients_of is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(clients_of.file)
        if tls is not None:
            context.maximum_version = tls
        return context


def split(certificate):
    """The file of a certificate alone, and that of its key."""
    text = certificate.read_text()
    begin = text.index("-----BEGIN CERTIFICATE")
    files = certificate.with_suffix(".crt"), certificate.with_suffix(".key")
    for file, part in zip(files, (text[begin:], text[:begin]), strict=True):
        file.write_text(part)
        file.chmod(0o600)
    return files


def encrypted(key, password=b"secret"):
    """The file of this key, which now asks for a password."""
    found = serialization.load_pem_private_key(key.read_bytes(), None)
    key.write_bytes(
        found.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(password),
        )
    )
    return key
