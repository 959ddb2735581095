"""What can be wrong with a whole file, apart from what is wrong with one row of it."""

from __future__ import annotations

from expander.errors import UsageError


class SourceError(UsageError):
    """A file that yields no posts at all: the message says what is wrong, where, and what to do.

    Never holds post text.
    """
