"""The kit's own HTTP: it shares nothing with the clients and the servers that it looks at."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

import requests

from prismq_worker_sdk.testing.conformance.checks import Broken, NoAnswer, NotChecked
from prismq_worker_sdk.wire.address import is_this_machine
from prismq_worker_sdk.wire.connection_options import NO_OPTIONS, ConnectionOptions

NOT_ALLOWED = {401, 403}
SHOWN = 400


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call was answered with.

    Attributes:
        asked: The call, in short.
    """

    asked: str
    status: int
    kind: str
    content: bytes

    def json(self, *statuses: int) -> Any:
        """The JSON body of an answer with one of these statuses.

        Raises:
            Broken: It has another one, or is no JSON.
            NotChecked: The key is not for this call.
        """
        if self.status in NOT_ALLOWED and self.status not in statuses:
            raise NotChecked(
                f"the key given may not {self.asked}: {self.status}; give one that may, with --key"
            )
        if self.status not in statuses:
            wanted = " or ".join(map(str, statuses))
            raise Broken(f"{self.asked} was answered with {self.status} {self.text!r}, not {wanted}")
        try:
            return json.loads(self.content)
        except ValueError:
            raise Broken(f"{self.asked} was answered with {self.status} and no JSON: {self.text!r}") from None

    def problem(self, *statuses: int) -> dict[str, Any]:
        """The problem (RFC 9457) of an answer with one of these statuses.

        Raises:
            Broken: It is another answer.
        """
        found = self.json(*statuses)
        if self.kind != "application/problem+json":
            raise Broken(
                f"{self.asked} was refused as {self.kind or 'nothing'}, not application/problem+json"
            )
        if not isinstance(found, dict) or not {"type", "title", "status", "detail"} <= found.keys():
            raise Broken(f"{self.asked} was refused without type, title, status and detail: {self.text!r}")
        if found["status"] != self.status:
            raise Broken(
                f"{self.asked} was refused with {self.status}, and its problem says {found['status']!r}"
            )
        return found

    @property
    def text(self) -> str:
        """The beginning of the body."""
        return self.content[:SHOWN].decode("utf-8", "replace")

    def __str__(self) -> str:
        return f"{self.asked} → {self.status} {self.text}"


@dataclass(frozen=True, slots=True)
class Talk:
    """Calls of one server, each on a connection of its own.

    Attributes:
        timeout: Seconds for a whole answer, however slowly it trickles.
    """

    url: str
    key: str | None
    timeout: float
    options: ConnectionOptions = NO_OPTIONS

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        data: bytes | None = None,
        longer: float = 0.0,
        key: str | None = None,
    ) -> Answer:
        """What a call is answered with; redirects are not followed.

        Args:
            body: Sent as JSON unless it is None.
            data: Sent as it is, instead.
            longer: How many seconds more than usually the answer may take.
            key: In place of the usual one.

        Raises:
            NoAnswer: There is none in time.
        """
        if data is None and body is not None:
            data = json.dumps(body).encode()
        asked = f"{method} {path} {'' if data is None else data[:SHOWN].decode('utf-8', 'replace')}".strip()
        key = key or self.key
        headers = {} if key is None else {"X-API-Key": key}
        if data is not None:
            headers["Content-Type"] = "application/json"
        found: SimpleQueue[requests.Response | Exception] = SimpleQueue()
        request = requests.Request(method, self.url + path, headers=headers, data=data, auth=_as_it_is)
        seconds = self.timeout + longer
        send = partial(self._send, request, seconds, found)
        threading.Thread(target=send, name="conformance-call", daemon=True).start()
        try:
            got = found.get(timeout=seconds)
        except Empty:
            raise NoAnswer(f"{asked} had no whole answer within {seconds:g} s") from None
        if isinstance(got, Exception):
            raise NoAnswer(f"{asked} had no answer: {type(got).__name__}: {got}")
        return Answer(asked, got.status_code, _kind(got.headers), got.content)

    def _send(
        self,
        request: requests.Request,
        seconds: float,
        found: SimpleQueue[requests.Response | Exception],
    ) -> None:
        """Puts the response there, its body read, or what came in its place."""
        options = self.options
        key = options.client_key or options.client_cert
        cert = None if options.client_cert is None else (str(options.client_cert), str(key))
        proxies = {} if options.proxy is None else {"all": options.proxy}
        with requests.Session() as session:
            session.trust_env = not is_this_machine(self.url)
            try:
                prepared = session.prepare_request(request)
                more = session.merge_environment_settings(
                    prepared.url or "", proxies, None, str(options.ca_file or "") or None, cert
                )
                found.put(session.send(prepared, timeout=seconds, allow_redirects=False, **more))
            except requests.Timeout:
                pass  # the caller's time is over in the same instant, and it says so
            except Exception as error:  # noqa: BLE001 - whatever it is, it is no answer
                found.put(error)


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """In the place of what a .netrc holds."""
    return request


def _kind(headers: Mapping[str, str]) -> str:
    return headers.get("Content-Type", "").partition(";")[0].strip().lower()
