"""Settings: the only reader of the environment and of `prismq-worker.toml`.

Precedence: command line > environment > `prismq-worker.toml` > default. Durations are `30`, `30s`, `5m` or `1h`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import pydantic_settings
from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from prismq_worker_sdk.environment import MISSION_NAMES, said, user_state_dir, variable
from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.files import place, read_config, read_secret
from prismq_worker_sdk.handlers.plugin_code import PluginRaised, plugin_code
from prismq_worker_sdk.handlers.settings_source import SettingsSource
from prismq_worker_sdk.model import duration, size
from prismq_worker_sdk.model.protocol import ClaimOrder
from prismq_worker_sdk.setting_faults import faults_of
from prismq_worker_sdk.wire.address import normalise
from prismq_worker_sdk.worker.config import ProvidesConfig, WorkerConfig

__all__ = [
    "CONFIG_FILE",
    "SERVER_FIELDS",
    "Duration",
    "PluginSettings",
    "WorkerSettings",
    "asked_for",
    "configured_plugins",
    "load_settings",
    "plugin_settings",
    "plugin_settings_source",
    "plugin_state_dir",
    "secrets_in",
]

CONFIG_FILE = "prismq-worker.toml"
NOT_ON_THE_COMMAND_LINE = frozenset({"api_key", "api_key_file"})
"""Everybody on the machine can read a command line."""

Duration = Annotated[float, BeforeValidator(duration.seconds)]
"""Seconds, given as a number or as `30s`, `5m`, `1h`."""

Size = Annotated[int, BeforeValidator(size.of_text)]
"""Bytes, given as a number or as `512M`, `1.5G`."""

PLUGIN = "plugin"
"""The key of the config file that is no setting of a worker, but says what it loads."""

SERVER_FIELDS = frozenset({"api_url", "api_key", "api_key_file", "dialect"})
"""What a producer must know."""

S = TypeVar("S", bound=BaseSettings)


class _FieldByField(PydanticBaseSettingsSource):
    """Asks for every field by itself; None is nothing."""

    def __call__(self) -> dict[str, Any]:
        found = {
            name: self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in found.items() if value is not None}


class _FileSource(_FieldByField):
    """Reads a field from the file that `{NAME}_FILE` names, the way Docker and Kubernetes hand out secrets."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        name = f"{self.config.get('env_prefix', '')}{field_name}".upper()
        path = os.environ.get(f"{name}_FILE")
        secret = read_secret(place(path, f"{name}_FILE"), f"{name}_FILE") if path else None
        return secret, field_name, False


class PluginSettings(BaseSettings):
    """The base of a plugin's settings: a field `my_key` comes from MY_KEY, or from the file in MY_KEY_FILE.

    Give secrets the type SecretStr: every such value is kept out of logs and reports.
    """

    model_config = SettingsConfigDict(
        extra="ignore", frozen=True, env_ignore_empty=True, hide_input_in_errors=True
    )

    @field_validator("*", mode="after")
    @classmethod
    def _place(cls, value: object, info: ValidationInfo) -> object:
        prefix = cls.model_config.get("env_prefix", "")
        return place(value, f"{prefix}{info.field_name}".upper()) if isinstance(value, Path) else value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then the files it names."""
        return init_settings, env_settings, _FileSource(settings_cls)


class _WorkerSource(_FieldByField):
    """Reads the worker's settings from the environment, under the mission's names where it has one."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        return said(field_name), field_name, False


class _TomlSource(PydanticBaseSettingsSource):
    """Reads `prismq-worker.toml` in the working directory."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        return self().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return {name: value for name, value in _configured().items() if name != PLUGIN}


class WorkerSettings(BaseSettings):
    """Everything a worker can be told; unset fields come from the environment, the config file, or the default."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    api_url: str = "http://localhost:8000/api"
    api_key: SecretStr | None = None
    api_key_file: Path | None = None
    worker_id: str = Field("", max_length=255, pattern=r"^[ -~]*$")
    poll_interval: Duration = Field(10.0, gt=0, le=3600)
    max_runs: int = Field(0, ge=0)
    debug: bool = False
    concurrency: int = Field(4, ge=1, le=256)
    isolation: Literal["thread", "process"] = "thread"
    max_memory_per_child: Size = 0
    state_dir: Path = Field(default_factory=user_state_dir)
    instance: str | None = None
    grace_period: Duration = Field(25.0, ge=0, le=86400)
    startup_timeout: Duration = Field(30.0, ge=0)
    unreachable_timeout: Duration = Field(0.0, ge=0)
    max_consecutive_errors: int = Field(5, ge=0)
    claim_order: ClaimOrder | None = None
    server_claim_timeout: Duration = Field(300.0, gt=0)
    server_max_attempts: int = Field(0, ge=0)
    max_attempts: int = Field(20, ge=0)
    health_port: int | None = Field(None, ge=0, le=65535)
    health_host: str = "127.0.0.1"
    log_format: Literal["json", "console"] = "console"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    dialect: Literal["auto", "v1", "prismq-client"] = "auto"

    @field_validator("api_url")
    @classmethod
    def _address(cls, value: str) -> str:
        try:
            return normalise(value)
        except SettingsError as error:
            raise SettingsError(f"{_option('api_url')}: {error}") from None

    @field_validator("state_dir", "api_key_file")
    @classmethod
    def _place(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        return None if value is None else place(value, _option(str(info.field_name)))

    @field_validator("worker_id")
    @classmethod
    def _not_blank(cls, value: str) -> str:
        if value and not value.strip():
            raise ValueError("is blank; leave it out, and a worker makes one")
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("claim_order", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the names are the mission's, see _WorkerSource
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then the config file."""
        return init_settings, _WorkerSource(settings_cls), _TomlSource(settings_cls)

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
        fields = {
            name: getattr(self, name)
            for name in type(self).model_fields
            if name not in {"api_key", "api_key_file"}
        }
        return WorkerConfig(**fields, key=self.key, secrets=(*([key] if key else ()), *secrets))

    def with_secrets(self, secrets: Iterable[str]) -> ProvidesConfig:
        """These settings, with more values that no sink may show, such as those of the plugins' settings."""
        return _WithSecrets(self, tuple(secrets))


class _WithSecrets:
    """Settings of the worker and the secrets of its plugins."""

    def __init__(self, settings: WorkerSettings, secrets: tuple[str, ...]) -> None:
        self._settings = settings
        self._secrets = secrets

    def config(self) -> WorkerConfig:
        """The worker's configuration."""
        return self._settings.config(secrets=self._secrets)


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
    fields = WorkerSettings.model_fields
    unused = set() if only is None else set(fields).difference(only, values)
    values |= {name: Path(os.sep) if name == "state_dir" else fields[name].default for name in unused}
    try:
        return WorkerSettings(**values)
    except ValidationError as error:
        written = {field: values.get(field, asked_for(field)) for field in fields}
        raise SettingsError(faults_of(error, WorkerSettings, _option, written)) from None


def asked_for(field_name: str) -> object:
    """What the environment or the config file says of a worker setting, unchecked; None for nothing."""
    if (told := said(field_name)) is not None:
        return told
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


def _configured() -> dict[str, Any]:
    """What the config file says, unchecked."""
    return read_config(Path(CONFIG_FILE), known={*WorkerSettings.model_fields, PLUGIN})


def plugin_state_dir(name: str) -> Path:
    """The folder in which a plugin keeps files of its own: `plugins/{name}` in the worker's state folder.

    For the default of a plugin's setting; the folder may not be there yet. Several workers may share it.
    """
    asked = asked_for("state_dir")
    folder = place(str(asked), variable("state_dir")) if asked else user_state_dir()
    return folder / "plugins" / name


def plugin_settings(cls: type[S]) -> S:
    """The settings of a plugin, read from the environment.

    Raises:
        SettingsError: A value cannot be used; names each variable.
    """
    prefix = cls.model_config.get("env_prefix", "")
    try:
        with plugin_code(f"making the settings {cls.__name__}"):
            return cls()
    except PluginRaised as raised:
        match raised.__cause__:
            case ValidationError() as error:
                raise SettingsError(faults_of(error, cls, lambda name: f"{prefix}{name}".upper())) from None
            case SettingsError() as error:
                raise error from None
            case pydantic_settings.SettingsError() as error:
                raise SettingsError(
                    f"{cls.__name__}: {error}; lists and mappings are written as JSON"
                ) from None
        raise SettingsError(str(raised)) from raised.__cause__


def plugin_settings_source(cls: type[S]) -> SettingsSource:
    """The settings of a plugin as they are now: a file that MY_KEY_FILE names is read again when it changes.

    The names of those files are made absolute for this process and its children, which may change their folder.
    """
    prefix = cls.model_config.get("env_prefix", "")
    files = []
    for name in cls.model_fields:
        file_name = f"{prefix}{name}_FILE".upper()
        if path := os.environ.get(file_name):
            files.append(place(path, file_name))
            os.environ[file_name] = str(files[-1])
    return SettingsSource(partial(plugin_settings, cls), files, secrets_in)


def secrets_in(value: object) -> Iterable[str]:
    """Every SecretStr in a value, those in lists, mappings and models inside it too."""
    if isinstance(value, SecretStr):
        if value.get_secret_value():
            yield value.get_secret_value()
        return
    inside: Iterable[object] = ()
    if isinstance(value, BaseModel):
        inside = [getattr(value, name) for name in type(value).model_fields]
    elif isinstance(value, Mapping):
        inside = value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        inside = value
    for one in inside:
        yield from secrets_in(one)


def _option(field_name: str) -> str:
    """Where a worker setting comes from: its option, where it has one, and its variable."""
    if field_name in NOT_ON_THE_COMMAND_LINE:
        return variable(field_name)
    return f"--{field_name.replace('_', '-')} ({variable(field_name)})"
