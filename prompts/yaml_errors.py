"""What reading YAML raises for a text that is none."""

from __future__ import annotations

import yaml

YAML_ERRORS: tuple[type[Exception], ...] = (
    yaml.YAMLError,
    ValueError,  # a date that no calendar has, digits that are no number; also a text that is no UTF-8
    LookupError,  # `!!bool` or `!!int` of what is none, or of nothing
    AttributeError,  # `!!timestamp` of what is none
    ArithmeticError,  # a number in base 60 beyond all floats
    RecursionError,  # nesting without end
)
"""For `except`. PyYAML's own error covers the grammar only: what makes values out of it raises whatever Python does."""
FILE_ERRORS: tuple[type[Exception], ...] = (OSError, *YAML_ERRORS)
"""The same, where a file is read as well."""
