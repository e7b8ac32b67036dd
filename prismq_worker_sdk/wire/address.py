"""The addresses of servers, in one normal form."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.model.protocol import ServerInfo

DEFAULT_PORTS = {"http": 80, "https": 443}
_PLAIN = re.compile(
    r"https?://(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d+)?(?:/[A-Za-z0-9/_.~!$&'()+*,;=:@%-]*)?"
)
EXAMPLE = "write it like http://localhost:8000/api"


def normalise(api_url: str) -> str:
    """The one form of an api_url: lower-case scheme and host, no default port, no slash at the end (R1).

    Raises:
        SettingsError: It is no http or https address, or holds a user name, a query or a fragment.
    """
    text = api_url.strip()
    if "@" in text:
        raise SettingsError(f"the api_url holds a user name or a password; keep secrets out of it, {EXAMPLE}")
    if " " in text or not text.isprintable():
        raise SettingsError(
            f"the api_url {text!r} holds a blank or a character that no address has; {EXAMPLE}"
        )
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise SettingsError(f"the api_url is no address ({error}); {EXAMPLE}") from None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise SettingsError(f"the api_url {text!r} is no http or https address; {EXAMPLE}")
    if parts.query or parts.fragment or "?" in text or "#" in text:
        raise SettingsError(f"the api_url must end after its path; take the ? or # away, {EXAMPLE}")
    host = parts.hostname if ":" not in parts.hostname else f"[{parts.hostname}]"
    shown = "" if port is None or port == DEFAULT_PORTS[parts.scheme] else f":{port}"
    return f"{parts.scheme}://{host}{shown}{parts.path.rstrip('/')}"


def what_to_check(api_url: str) -> str:
    """What to look at where no TaskManager answers: an address without a path most likely lacks its `/api`."""
    if urlsplit(api_url).path.strip("/"):
        return "check --api-url (TASKMANAGER_API_URL)"
    return f"did you mean --api-url {api_url.rstrip('/')}/api?"


def server_identity(api_url: str, found: ServerInfo) -> str:
    """What tells this server from every other one: its address, and the instance id where it announces one (R1)."""
    return normalise(api_url) + (f"#{found.instance}" if found.instance else "")


def host_and_port(api_url: str) -> tuple[str, int]:
    """Where a server listens."""
    parts = urlsplit(api_url)
    return parts.hostname or "", parts.port or DEFAULT_PORTS.get(parts.scheme, 0)


def is_plain(base: str) -> bool:
    """Whether an api_url can be sent as it is; others have names and paths that must be written otherwise."""
    return _PLAIN.fullmatch(base) is not None


def is_this_machine(api_url: str) -> bool:
    """Whether what goes there stays on this machine."""
    host = urlsplit(api_url).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


def exposure(api_url: str, *, has_key: bool) -> str | None:
    """What others on the way can do where an api_url is plain http to another machine; None where they cannot."""
    if urlsplit(api_url).scheme != "http" or is_this_machine(api_url):
        return None
    if has_key:
        return (
            f"the API key goes to {api_url} unencrypted: whoever is on the way reads it and acts in its name; "
            "serve https, and give this key up for a new one"
        )
    return f"plain http to another machine, {api_url}: whoever is on the way reads and changes tasks; serve https"
