"""The settings of a plugin: a pydantic model read from the environment, and from the files that it names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import pydantic_settings
from pydantic import BaseModel, BeforeValidator, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from prismq_worker_sdk.decide.redaction import Redactor, is_secret_name
from prismq_worker_sdk.errors import SettingsError
from prismq_worker_sdk.files import place, read_secret
from prismq_worker_sdk.handlers.plugin_code import PluginRaised, plugin_code
from prismq_worker_sdk.handlers.settings_source import SettingsSource
from prismq_worker_sdk.model import duration
from prismq_worker_sdk.model.setting import as_written

S = TypeVar("S", bound=BaseSettings)

Duration = Annotated[float, BeforeValidator(duration.seconds)]
"""Seconds, given as a number or as `30s`, `5m`, `1h`."""


class _FileSource(PydanticBaseSettingsSource):
    """Reads a field from the file that `{NAME}_FILE` names, the way Docker and Kubernetes hand out secrets."""

    def __call__(self) -> dict[str, Any]:
        found = {
            name: self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in found.items() if value is not None}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        name = f"{_variable(self.settings_cls, field_name)}_FILE"
        path = os.environ.get(name)
        return read_secret(place(path, name), name) if path else None, field_name, False


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
        return place(value, _variable(cls, str(info.field_name))) if isinstance(value, Path) else value

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


def plugin_settings(cls: type[S]) -> S:
    """The settings of a plugin, read from the environment.

    Raises:
        SettingsError: A value cannot be used; names each variable.
    """
    try:
        with plugin_code(f"making the settings {cls.__name__}"):
            return cls()
    except PluginRaised as raised:
        match raised.__cause__:
            case ValidationError() as error:
                raise SettingsError(_faults(error, cls)) from None
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
    files = []
    for field_name in cls.model_fields:
        name = f"{_variable(cls, field_name)}_FILE"
        if path := os.environ.get(name):
            files.append(place(path, name))
            os.environ[name] = str(files[-1])
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


def _variable(cls: type[BaseSettings], field_name: str) -> str:
    return f"{cls.model_config.get('env_prefix', '')}{field_name}".upper()


def _faults(error: ValidationError, cls: type[BaseSettings]) -> str:
    """Every fault with its place; the value only where it is one plain value and cannot be a secret."""
    parts = []
    for fault in error.errors(include_url=False, include_context=False):
        name = str(fault["loc"][0]) if fault["loc"] else ""
        inside = "".join(f".{part}" for part in fault["loc"][1:])
        where = f"{_variable(cls, name) if name else cls.__name__}{inside}"
        given, message = fault["input"], fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "missing":
            parts.append(f"{where} is not set")
        elif not inside and isinstance(given, str | int | float) and not _may_be_secret(cls, name):
            parts.append(f"{where}={as_written(given)}: {message}")
        else:
            parts.append(f"{where}: {Redactor([str(given)]).text(message)}")
    return "; ".join(parts)


def _may_be_secret(cls: type[BaseSettings], name: str) -> bool:
    field = cls.model_fields.get(name)
    return field is None or "Secret" in str(field.annotation) or is_secret_name(name)
