"""Requests as batch JSON Lines: one line a row, split into files that a batch service takes."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Final, NamedTuple, Self

import orjson

from expander.errors import Action, EndpointError, StoreError
from expander.openai_endpoint import Composed

URL: Final = "/v1/chat/completions"
"""What a line asks for; `vllm run-batch` and the Batch APIs know it by this name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How large one file may be."""

    rows: int
    size: int
    """In bytes."""


class Written(NamedTuple):
    """A finished file of requests."""

    path: Path
    sha256: str
    row_ids: tuple[str, ...]


def request_body(composed: Composed, prompt: str, seed: int | None) -> bytes:
    """The JSON body that a run which sends by itself would send for this prompt and seed.

    Raises EndpointError (`unsendable`) for a prompt that is no Unicode text.
    """
    try:
        filled = orjson.dumps(prompt)
    except orjson.JSONEncodeError as error:  # half of a surrogate pair
        raise EndpointError("unsendable", Action.FAIL_ROW, "the prompt is no valid Unicode text") from error
    end = b"}" if seed is None else b',"seed":%d}' % seed
    return composed.before + filled + composed.after + end


def request_line(row_id: str, body: bytes) -> bytes:
    """One line of a request file. The body goes in as it is, byte for byte."""
    head = orjson.dumps({"custom_id": row_id, "method": "POST", "url": URL})
    return head[:-1] + b',"body":' + body + b"}\n"


class RequestFiles:
    """Writes lines into OUT, then OUT-2, OUT-3 ...; each file takes its name once it is whole. Use in a `with`.

    Raises StoreError where a file cannot be written.
    """

    def __init__(self, out: Path, limits: Limits) -> None:
        self._out = out
        self._limits = limits
        self._number = 0
        self._file: IO[bytes] | None = None
        self._hash = hashlib.sha256()
        self._size = 0
        self._ids: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._draft.unlink(missing_ok=True)

    @property
    def name(self) -> str:
        """The name of the file that the next line goes into, if it has room."""
        return self._path.name

    def is_full_for(self, line: bytes) -> bool:
        """Whether the line must go into another file. A line of its own larger than the limit is not held back."""
        return bool(self._ids) and (len(self._ids) >= self._limits.rows or self._size + len(line) > self._limits.size)

    def add(self, row_id: str, line: bytes) -> None:
        try:
            if self._file is None:
                self._out.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._draft.open("wb", buffering=1 << 20)
            self._file.write(line)
        except OSError as error:
            raise self._unwritable(error) from error
        self._hash.update(line)
        self._size += len(line)
        self._ids.append(row_id)

    def finish(self) -> Written | None:
        """Give the file its name; None where nothing was added to it."""
        if self._file is None:
            return None
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._draft.replace(self._path)
        except OSError as error:
            raise self._unwritable(error) from error
        written = Written(self._path, self._hash.hexdigest(), tuple(self._ids))
        self._file, self._hash, self._size, self._ids = None, hashlib.sha256(), 0, []
        self._number += 1
        return written

    @property
    def _path(self) -> Path:
        if self._number == 0:
            return self._out
        return self._out.with_name(f"{self._out.stem}-{self._number + 1}{self._out.suffix}")

    @property
    def _draft(self) -> Path:
        return self._path.with_name(f".{self._path.name}.part")

    def _unwritable(self, error: OSError) -> StoreError:
        return StoreError(
            f"{self._path}: cannot be written: {error.strerror}. Make room or name another file with -o, "
            "then give the same command again."
        )
