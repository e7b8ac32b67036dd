"""Places and text files as people give them: from a shell or not, from this system or another one."""

from __future__ import annotations

import codecs
import os
from pathlib import Path
from typing import Any

from prismq_worker_sdk.compat import tomllib
from prismq_worker_sdk.errors import SecretFileError, SettingsError

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks, and what they say of the text behind them."""


def place(path: str | os.PathLike[str], name: str) -> Path:
    """Where a path leads, whatever becomes of the working directory: absolute, `~` is the home folder.

    Args:
        name: Of the setting that holds it, for people.

    Raises:
        SettingsError: It has a `~` or is relative, and there is no home folder or no working directory; or it begins
            with a variable, which a shell has not seen.
    """
    if os.fspath(path).startswith("$"):
        raise SettingsError(
            f"{name}={os.fspath(path)!r} has a variable that no shell replaced; give the whole path"
        )
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError:
        reason = "the home folder of this user is not known"
    except OSError:
        reason = "the working directory is gone"
    raise SettingsError(f"{name}={os.fspath(path)!r} cannot be found, because {reason}; give the whole path")


def text_of(path: Path) -> str:
    """The text of a file: UTF-8, or what its byte order mark says, which editors on Windows write.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no such text; says what to do.
    """
    return decoded(path.read_bytes())


def decoded(data: bytes) -> str:
    """The text of these bytes: UTF-8, or what their byte order mark says.

    Raises:
        ValueError: They are no such text; says what to do.
    """
    coding = next((found for mark, found in MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(coding)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"its byte {error.start + 1} is not {coding.removesuffix('-sig').upper()}; save it as UTF-8"
        ) from None
    if "\0" in text:
        raise ValueError("it holds zero bytes, as UTF-16 without a byte order mark does; save it as UTF-8")
    return text


def read_secret(path: Path, name: str) -> str:
    """The text of a secret file, without the white space around it.

    Raises:
        SecretFileError: It cannot be read, or is empty.
    """
    try:
        text = text_of(path).strip()
    except (OSError, ValueError) as error:
        raise SecretFileError(f"{name} names {path}, which cannot be read: {error}") from None
    if not text:
        raise SecretFileError(f"{name} names {path}, which is empty")
    return text


def read_config(path: Path, *, known: set[str]) -> dict[str, Any]:
    """What the config file says; nothing when there is none.

    Raises:
        SettingsError: It is not TOML, or has a key that does not exist.
    """
    try:
        text = text_of(path)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not TOML: {error}") from None
    said = {name.replace("-", "_"): value for name, value in found.items()}
    if "api_key" in said:
        raise SettingsError(
            f"{path} must not hold api_key; use TASKMANAGER_API_KEY or TASKMANAGER_API_KEY_FILE"
        )
    known = known - {"api_key"}
    unknown = sorted(set(said) - known)
    if unknown:
        raise SettingsError(
            f"{path} has unknown settings {', '.join(unknown)}; known are {', '.join(sorted(known))}"
        )
    return said
