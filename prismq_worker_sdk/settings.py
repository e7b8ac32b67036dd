"""The settings of a worker: the only reader of its environment and of `prismq-worker.toml`.

Precedence: command line > environment > `prismq-worker.toml` > default. Durations are `30`, `30s`, `5m` or `1h`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prismq_worker_sdk.environment import MISSION_NAMES, environment_value, user_state_dir, variable
from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.files import place, read_config, read_secret
from prismq_worker_sdk.model.setting import Setting, as_written, path, setting, settings_of, text
from prismq_worker_sdk.wire.connection_options import ConnectionOptions, proxy_address
from prismq_worker_sdk.worker.config import Settings, WorkerConfig

if TYPE_CHECKING:
    from pydantic import SecretStr

CONFIG_FILE = "prismq-worker.toml"

PLUGIN = "plugin"
"""The key of the config file that is no setting of a worker, but says what it loads."""

CONNECTION_FIELDS = frozenset({"ca_file", "client_cert", "client_key", "proxy"})
"""How a server is reached."""
SERVER_FIELDS = CONNECTION_FIELDS | {"api_url", "api_key", "api_key_file", "dialect"}
"""What a producer must know."""


def _secret(value: object) -> Any:
    from pydantic import SecretStr  # noqa: PLC0415 - wanted only where there is a key

    return value if isinstance(value, SecretStr) else SecretStr(text()(value))


def _proxy(value: object) -> Any:
    return _secret(proxy_address(_secret(value).get_secret_value()))


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings(Settings):
    """Everything a worker can be told; unset fields come from the environment, the config file, or the default.

    Raises:
        SettingsError: A value cannot be used; names each, with where it may come from.
    """

    # no options: everybody on the machine can read a command line
    api_key: SecretStr | None = setting(None, _secret, "KEY", "Sent as `X-API-Key`", unset="none")
    api_key_file: Path | None = setting(
        None,
        path,
        "FILE",
        "A file with the key, instead",
        "; read again when the key is refused",
        unset="none",
    )
    proxy: SecretStr | None = setting(
        None,
        _proxy,
        "URL",
        "The proxy for this server",
        ", `http://user:password@proxy:3128`; unless given, what `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say",
        unset="the environment's",
    )

    if not TYPE_CHECKING:  # who checks types sees every field

        def __init__(self, **given: object) -> None:
            for name, value in _read(given).items():
                object.__setattr__(self, name, value)

    def key(self) -> str | None:
        """The API key now; the file is read each time, so that a new key is taken up (R34).

        Raises:
            SettingsError: The key file cannot be read, or both a key and a key file are given.
        """
        if self.api_key is not None and self.api_key_file is not None:
            raise SettingsError(
                "both TASKMANAGER_API_KEY and TASKMANAGER_API_KEY_FILE are set; keep one of them"
            )
        if self.api_key is not None:
            return self.api_key.get_secret_value()
        if self.api_key_file is not None:
            return read_secret(self.api_key_file, MISSION_NAMES["api_key_file"])
        return None

    def config(self, *, secrets: Iterable[str] = ()) -> WorkerConfig:
        """The worker's configuration.

        Args:
            secrets: More values that no sink may show: those of the plugins' settings.

        Raises:
            SettingsError: The key file cannot be read, or both a key and a key file are given.
        """
        key = self.key()
        fields = {name: getattr(self, name) for name in settings_of(Settings)}
        proxy = None if self.proxy is None else self.proxy.get_secret_value()
        known = (*([key] if key else ()), *ConnectionOptions(proxy=proxy).secrets, *secrets)
        return WorkerConfig(**fields, key=self.key, proxy=proxy, secrets=known)


SETTINGS: Mapping[str, Setting] = settings_of(WorkerSettings)
"""Every setting by its name."""

NOT_ON_THE_COMMAND_LINE = SETTINGS.keys() - settings_of(Settings).keys()


def load_settings(
    given: Mapping[str, Any] | None = None, *, only: Collection[str] | None = None
) -> WorkerSettings:
    """The worker's settings.

    Args:
        given: What the command line said; None values count as unsaid.
        only: The fields that the caller uses, all unless given: the others keep their defaults, whatever is set, and
            a bad value of theirs stops nobody.

    Raises:
        SettingsError: A value cannot be used; names each, with where it may come from.
    """
    values = {name: value for name, value in (given or {}).items() if value is not None}
    for name in () if only is None else SETTINGS.keys() - only - values.keys():
        values[name] = Path(os.sep) if name == "state_dir" else SETTINGS[name].default
    return WorkerSettings(**values)


def raw_value(field_name: str) -> object:
    """What the environment or the config file says of a worker setting, unchecked; None for nothing."""
    if (value := environment_value(field_name)) is not None:
        return value
    try:
        return _configured().get(field_name)
    except SettingsError:
        return None


def configured_plugins() -> tuple[str, ...]:
    """The plugins that the config file names, as `--plugin` does; none for all that are installed.

    Raises:
        SettingsError: The file cannot be used.
    """
    found = _configured().get(PLUGIN, [])
    names = [found] if isinstance(found, str) else found
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise SettingsError(f'{CONFIG_FILE} has {PLUGIN}={found!r}; write {PLUGIN} = ["my_handlers.py"]')
    return tuple(names)


def plugin_state_dir(name: str) -> Path:
    """The folder in which a plugin keeps files of its own: `plugins/{name}` in the worker's state folder.

    For the default of a plugin's setting; the folder may not be there yet. Several workers may share it.
    """
    given = raw_value("state_dir")
    folder = place(str(given), variable("state_dir")) if given else user_state_dir()
    return folder / "plugins" / name


def _configured() -> dict[str, Any]:
    """What the config file says, unchecked."""
    return read_config(Path(CONFIG_FILE), known={*SETTINGS, PLUGIN})


def _read(given: Mapping[str, object]) -> dict[str, Any]:
    """The value of every setting: as given, or from the environment, the config file, or its default."""
    variables = {name: environment_value(name) for name in SETTINGS}
    set_there = {name: value for name, value in variables.items() if value is not None}
    written: dict[str, object] = {**_configured(), **set_there, **given}
    faults = [f"{_origin(name)}: there is no such setting" for name in given if name not in SETTINGS]
    values = {}
    for name in SETTINGS:
        try:
            values[name] = _value(name, written)
        except ValueError as error:
            faults.append(f"{_origin(name)}{_shown(name, written[name])}: {error}")
    if faults:
        raise SettingsError("; ".join(faults))
    return values


def _value(name: str, written: Mapping[str, object]) -> Any:
    default = SETTINGS[name].default
    if name not in written or written[name] is default is None:
        return user_state_dir() if name == "state_dir" else default
    try:
        value = SETTINGS[name].read(written[name])
    except SettingsError as error:  # of an address: it says itself what is wrong with which
        raise SettingsError(f"{_origin(name)}: {error}") from None
    return place(value, _origin(name)) if isinstance(value, Path) else value


def _origin(field_name: str) -> str:
    """Where a worker setting comes from: its option, where it has one, and its variable."""
    if field_name in NOT_ON_THE_COMMAND_LINE:
        return variable(field_name)
    return f"--{field_name.replace('_', '-')} ({variable(field_name)})"


def _shown(field_name: str, given: object) -> str:
    """A value behind the name of its setting: only where it is one plain value and no secret."""
    if field_name in NOT_ON_THE_COMMAND_LINE or not isinstance(given, str | int | float):
        return ""
    return f"={as_written(given)}"
