"""A YAML file of settings, looked at before any option is taken from it."""

from __future__ import annotations

from pathlib import Path

import yaml

from expander.errors import UsageError
from prompts.yaml_errors import YAML_ERRORS

_MOST_BYTES = 1 << 20
"""A file of every option there is has a few KiB; past this it is another file, or one made to fill memory."""


def check_settings_file(path: Path) -> None:
    """Raises UsageError where the file is not there, too long, no YAML in UTF-8, or no mapping of names to values.

    Values are single ones or lists of them: what stands deeper could only be a mistake, and an alias of an alias of an alias
    would cost time without end.
    """
    if not path.is_file():
        raise UsageError(f"--config {path}: there is no such file.")
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UsageError(f"--config {path}: longer than {_MOST_BYTES} bytes: this is no file of settings.")
        document = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"--config {path}: cannot be read: {error.strerror or error}.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        raise UsageError(
            f"--config {path}: not valid YAML{where}. Write a line for each option, `name: value`."
        ) from error
    except YAML_ERRORS as error:  # no UTF-8 among them
        raise UsageError(f"--config {path}: cannot be read as YAML in UTF-8. Write a line for each option.") from error
    if document is not None and not isinstance(document, dict):
        raise UsageError(f"--config {path}: is no mapping. Write a line for each option, `name: value`.")
    for name, value in (document or {}).items():
        if not isinstance(name, str):
            raise UsageError(f"--config {path}: {name!r} is no option's name.")
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, list | dict):
                raise UsageError(f"--config {path}: {name}: an option has one value, or a list of them.")
