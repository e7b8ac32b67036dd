"""Alerts as operators see them: rules whose changes the server tells a webhook."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from prismq_worker_sdk.wire.messages import HttpRequest, compact_json, given

_request = partial(HttpRequest, "alerts")


@dataclass(frozen=True, slots=True)
class Alerts:
    """The alerts of a server (v1 with the bundle `alerts`); each as the server tells it.

    Every method raises what those of `TaskManagerClient` raise; RequestRefused (404) where there is none of the name.
    """

    _call: Callable[[HttpRequest], dict[str, Any]] = field(repr=False)

    def list(self) -> list[dict[str, Any]]:
        """All of them, by name, with their states."""
        return [dict(one) for one in self._call(_request("GET", ("alerts",))).get("alerts", ())]

    def set(self, name: str, rule: str, seconds: float, url: str, **more: Any) -> dict[str, Any]:
        """Makes it, or changes it; a new one is answered with its `secret`, once.

        Args:
            rule: `failures`, `oldest` or `no_worker`.
            more: `task_type`, `share`, `at_least`, `hold_seconds`, `secret`.

        Raises:
            RequestRefused: It makes no sense, or webhooks may not go to that URL.
        """
        body = compact_json({"rule": rule, "seconds": seconds, "url": url, **given(more)})
        return self._call(_request("PUT", ("alerts", name), body))

    def delete(self, name: str) -> dict[str, Any]:
        """Takes it away, and gives it for the last time."""
        return self._call(_request("DELETE", ("alerts", name)))

    def test(self, name: str) -> dict[str, Any]:
        """Tells its webhook now that this is a test; whether it was `delivered`, and the `error`."""
        return self._call(_request("POST", ("alerts", name, "test")))
