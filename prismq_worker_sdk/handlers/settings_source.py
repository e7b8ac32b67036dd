"""The settings of a plugin as they are now: a secret that changes in its file is taken up without a restart."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from prismq_worker_sdk.errors import SettingsError

_LOG = logging.getLogger("prismq.plugins")

Stamp = tuple[int, int, int] | None


class SettingsSource:
    """Gives a plugin's settings, read again whenever one of their files has changed.

    May be used from any thread, and pickled: it reads for itself in another process. What was read once stays good
    while a file is missing, empty or wrong, as it is for a moment when somebody writes it.

    Args:
        read: Reads the settings anew.
        files: What they may be read from.
        secrets: The secrets in settings.
    """

    def __init__(
        self, read: Callable[[], Any], files: Sequence[Path], secrets: Callable[[Any], Iterable[str]]
    ) -> None:
        self._read, self._files, self._secrets = read, tuple(files), secrets
        self._learners: list[Callable[[str], None]] = []
        self._lock = threading.RLock()
        self._settings: Any = None
        self._stamps: list[Stamp] | None = None

    def __getstate__(self) -> tuple[Any, ...]:
        return self._read, self._files, self._secrets

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        SettingsSource.__init__(self, *state)

    def __call__(self) -> Any:
        """The settings now; the same object as long as nothing has changed.

        Raises:
            SecretFileError: A file is missing or empty, and always was.
            SettingsError: A value cannot be used, and there was none before.
        """
        with self._lock:
            stamps = [_stamp(path) for path in self._files]
            if stamps != self._stamps:
                try:
                    self._settings = self._read()
                except SettingsError as error:
                    if self._settings is None:
                        raise
                    _LOG.warning("settings stay as they were: %s", error)
                self._stamps = stamps
                self._tell(self._learners)
            return self._settings

    def tell(self, learn: Callable[[str], None]) -> None:
        """Tells every secret that there is and will be, before it can be used."""
        with self._lock:
            self._learners.append(learn)
            self._tell([learn])

    def _tell(self, learners: Iterable[Callable[[str], None]]) -> None:
        for secret in self._secrets(self._settings) if self._settings is not None else ():
            for learn in learners:
                learn(secret)


def _stamp(path: Path) -> Stamp:
    """What changes whenever a file is written or replaced; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
