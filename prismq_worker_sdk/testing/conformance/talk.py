"""The kit's own HTTP: it shares nothing with the clients and the servers that it looks at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests

from prismq_worker_sdk.testing.conformance.checks import Broken, NoAnswer, NotChecked

NOT_ALLOWED = {401, 403}
SHOWN = 400
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


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
        timeout: Seconds without a byte of an answer; a trickle is ended by the time limit of its check.
    """

    url: str
    key: str | None
    timeout: float

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
        with requests.Session() as session:
            session.trust_env = urlsplit(self.url).hostname not in LOOPBACK
            session.auth = _as_it_is
            try:
                got = session.request(
                    method,
                    self.url + path,
                    data=data,
                    headers=headers,
                    timeout=self.timeout + longer,
                    allow_redirects=False,
                )
            except (requests.RequestException, ValueError) as error:
                raise NoAnswer(f"{asked} had no answer: {type(error).__name__}: {error}") from None
        return Answer(asked, got.status_code, _kind(got.headers), got.content)


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """In the place of what a .netrc holds."""
    return request


def _kind(headers: Mapping[str, str]) -> str:
    return headers.get("Content-Type", "").partition(";")[0].strip().lower()
