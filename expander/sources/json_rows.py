"""JSON arrays and JSON Lines to records, each with the line it starts on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import orjson

from expander.sources.chunks import text_chunks
from expander.sources.errors import SourceError
from expander.sources.json_array import Broken, NotAnArrayError, split_array
from expander.sources.lines import ROW_LIMIT_BYTES, split_lines
from expander.sources.rows import Fault


def array_rows(path: Path) -> Iterator[tuple[int, object]]:
    """Elements of a top-level array, parsed one at a time; Fault for one that is not JSON."""
    try:
        for piece in split_array(text_chunks(path)):
            if isinstance(piece, Broken):
                yield piece.line, Fault(piece.reason)
            else:
                yield piece.line, parse(piece.data, piece.line)
    except NotAnArrayError as error:
        if error.first == b"{":
            raise SourceError(
                f"{path} holds an object where an array of posts is expected. Put [ ] around it, or give the file the "
                "ending .jsonl if it has one object a line."
            ) from error
        what = "starts with something else" if error.first else "holds nothing but white space"
        raise SourceError(f"{path} is no JSON array of posts: it {what}. Check that it is the right file.") from error


def line_rows(path: Path) -> Iterator[tuple[int, object]]:
    """Lines parsed one at a time; blank ones are skipped; Fault for one that is too long or not JSON."""
    for number, data in split_lines(text_chunks(path)):
        if data is None:
            yield number, Fault(f"the line is longer than {ROW_LIMIT_BYTES} bytes")
        elif data.strip():
            yield number, parse(data, number)


def parse(data: bytes, line: int) -> object:
    """The value, or a Fault that says where it stops being JSON. Never raises, whatever the bytes are.

    orjson refuses a lone surrogate anywhere; the standard library lets it pass, so that the field which holds it can
    be named and answers beside it can go on.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        pass
    try:
        value: object = json.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        at = line + data.count(b"\n", 0, error.start)
        return Fault(f"not UTF-8: byte 0x{data[error.start]:02x} at byte {error.start + 1} of the row, line {at}")
    except json.JSONDecodeError as error:
        return Fault(f"not JSON: {error.msg}, line {line + error.lineno - 1}, column {error.colno}")
    except RecursionError:
        return Fault("JSON nested too deeply to be read")
    except ValueError:  # Python converts no more digits than sys.get_int_max_str_digits()
        return Fault("it holds a number with too many digits to be read")
    return value
