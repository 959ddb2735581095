"""`batch submit`, `poll` and `fetch`: a run's request files at a Batch API, step by step.

The ledger is committed after each step. Making a batch is the one step that costs money, so it is noted before it is asked
for: a command that died in between looks for the batch before it makes one.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from expander import event_loop
from expander.batch.importing import Imported, importing, report, write
from expander.batch.ledger import Ledger, RequestFile, State, locked, opened
from expander.batch.replies import result_lines
from expander.batch.service import NOT_FOUND, Batch, Service, ServiceSettings, connected, lost
from expander.errors import Action, EndpointError, StoreError, UsageError
from expander.exits import Exit
from expander.store import read_only

WINDOW = "24h"
"""The one completion window of OpenAI's Batch API."""
_BASE_URL = "base_url"
_LACKS_OUTCOME = "SELECT 1 FROM row WHERE id = ? AND outcome = 'failed'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """The service as the command line names it; the URL is remembered from the run's first submit."""

    base_url: str | None
    api_key_env: str
    header: tuple[str, ...]
    attempt_timeout: float
    max_attempts: int
    max_wait: float

    def settings(self, ledger: Ledger) -> ServiceSettings:
        """Raises UsageError where no URL is given, now or before."""
        url = self.base_url or ledger.meta(_BASE_URL)
        if url is None:
            raise UsageError("Name the service with --base-url, such as https://api.openai.com/v1.")
        settings = ServiceSettings(
            base_url=url,
            api_key_env=self.api_key_env,
            header=self.header,
            attempt_timeout=self.attempt_timeout,
            max_attempts=self.max_attempts,
            max_wait=self.max_wait,
        )
        settings.endpoint()  # a URL with a key in it must not be written down
        ledger.set_meta(_BASE_URL, url)
        return settings


def submit(folder: Path, reach: Reach, window: str, *, console: Console, status: Console) -> Exit:
    """Upload the newest export's files and make a batch of each. Files that are out already are left alone."""
    with _alone(folder) as ledger:
        unsent = [
            file
            for file in ledger.files(State.EXPORTED, State.UPLOADED, State.CREATING)
            if file.state is State.CREATING or _still_needed(folder, ledger, file)
        ]
        if not unsent:
            console.print("Nothing to submit. `batch export` writes what still has no outcome.")
            return Exit.COMPLETE
        for file in unsent:
            _check_unchanged(file)
        settings = reach.settings(ledger)
        return _told(lambda: event_loop.run(_submit(ledger, unsent, settings, window, console)), reach, status)


async def _submit(
    ledger: Ledger, files: list[RequestFile], settings: ServiceSettings, window: str, console: Console
) -> Exit:
    async with connected(settings) as service:
        for file in files:
            batch = await _sent(ledger, file, service, window)
            console.print(f"{file.path.name}: {file.requests:,} requests in {batch.id}", markup=False, soft_wrap=True)
    return Exit.COMPLETE


async def _sent(ledger: Ledger, file: RequestFile, service: Service, window: str) -> Batch:
    input_file = file.input_file
    batch = None
    if input_file is None:
        input_file = await service.upload(file.path)
        ledger.move(file, State.UPLOADED, input_file=input_file, batch=None, status=None)
    elif file.state is State.CREATING:
        batch = await service.find(input_file)
    if batch is None:
        ledger.move(file, State.CREATING, input_file=input_file, batch=None, status=None)
        try:
            batch = await service.create(input_file, window)
        except EndpointError as error:
            if error.action is not Action.RETRY:  # it said no, so there is none
                ledger.move(file, State.UPLOADED, input_file=input_file, batch=None, status=None)
            raise
    ledger.move(file, State.SENT, input_file=input_file, batch=batch.id, status=batch.status)
    return batch


def poll(folder: Path, reach: Reach, every: float | None, *, console: Console, status: Console) -> Exit:
    """Ask how the batches stand; with `every`, again after so many seconds until all have ended."""
    with _alone(folder) as ledger:
        if not _sent_files(ledger, console):
            return Exit.COMPLETE
        settings = reach.settings(ledger)
        return _told(lambda: event_loop.run(_poll(ledger, settings, every, console)), reach, status)


async def _poll(ledger: Ledger, settings: ServiceSettings, every: float | None, console: Console) -> Exit:
    said: dict[int, str] = {}
    async with connected(settings) as service:
        while True:
            batches = []
            for file in ledger.files(State.SENT):
                batches.append(batch := await _asked_after(ledger, file, service))
                if said.get(file.number) != (told := _standing(file, batch)):
                    console.print(told, markup=False, soft_wrap=True)
                said[file.number] = told
            if every is None or all(batch.has_ended for batch in batches):
                return Exit.COMPLETE
            await asyncio.sleep(every)


async def _asked_after(ledger: Ledger, file: RequestFile, service: Service) -> Batch:
    assert file.batch is not None
    batch = await service.retrieve(file.batch)
    ledger.move(file, State.SENT, input_file=file.input_file, batch=file.batch, status=batch.status)
    return batch


def _standing(file: RequestFile, batch: Batch) -> str:
    counts = "" if batch.completed is None else f", {batch.completed:,} of {file.requests:,} done"
    counts += f", {batch.failed:,} failed" if batch.failed else ""
    why = f" ({batch.code})" if batch.code else ""
    return f"{file.path.name}: {batch.id} is {batch.status}{why}{counts}"


def fetch(folder: Path, reach: Reach, *, gives_up: bool, console: Console, status: Console) -> Exit:
    """Download and import the results of batches that have ended; the exit code is that of `import`.

    Rows that an ended batch left without an answer are noted as failed, and the next export asks for them; with `gives_up`
    also those of batches and files that the service knows no more.
    """
    with opened(folder) as ledger:
        if not _sent_files(ledger, console):
            return Exit.COMPLETE
        settings = reach.settings(ledger)
        return _told(lambda: event_loop.run(_fetch(folder, ledger, settings, gives_up, console, status)), reach, status)


async def _fetch(
    folder: Path,
    ledger: Ledger,
    settings: ServiceSettings,
    gives_up: bool,  # noqa: FBT001
    console: Console,
    status: Console,
) -> Exit:
    imported: Imported | None = None
    async with importing(folder) as importer, connected(settings) as service:
        try:
            for file in ledger.files(State.SENT):
                try:
                    batch = await _asked_after(ledger, file, service)
                except EndpointError as error:
                    if not (gives_up and error.kind == NOT_FOUND):
                        raise
                    batch = lost(file.batch or "")
                status.print(_standing(file, batch), markup=False, soft_wrap=True)
                if not batch.has_ended:
                    continue
                for path in await _downloaded(folder, file, batch, service, gives_up):
                    await importer.take(result_lines(path))
                await importer.give_up(ledger.asked(file), _left_out(batch))
                ledger.move(file, State.FETCHED, input_file=file.input_file, batch=file.batch, status=batch.status)
                imported = importer.imported
        finally:
            if imported is not None:  # also where a later batch could not be had
                write(folder)
    if imported is None:
        console.print("No batch has ended yet; there is nothing to fetch.")
        return Exit.ROWS_FAILED
    return report(folder, imported, console, status)


async def _downloaded(
    folder: Path,
    file: RequestFile,
    batch: Batch,
    service: Service,
    gives_up: bool,  # noqa: FBT001
) -> list[Path]:
    """The batch's results in the run's folder: what was answered, and what was not."""
    wanted = (("results", batch.output_file, batch.completed), ("errors", batch.error_file, None))
    paths = []
    for kind, remote, lines in wanted:
        if remote is None:
            continue
        path = folder / f"batch-{kind}-{file.number}.jsonl"
        try:
            await service.download(remote, path, least_lines=lines or 0)
        except EndpointError as error:
            if not (gives_up and error.kind == NOT_FOUND):
                raise
            continue
        except OSError as error:
            raise StoreError(f"{path}: cannot be written: {error.strerror}. Make room, then fetch again.") from error
        paths.append(path)
    return paths


def _left_out(batch: Batch) -> EndpointError:
    kind = "batch-no-answer" if batch.status == "completed" else f"batch-{batch.status}"
    return EndpointError(kind, Action.RETRY, batch.code or "the batch ended without an answer to this row")


# Around the steps


@contextmanager
def _alone(folder: Path) -> Iterator[Ledger]:
    with opened(folder) as ledger, locked(folder):
        yield ledger


def _sent_files(ledger: Ledger, console: Console) -> bool:
    if ledger.files(State.SENT):
        return True
    console.print("No batch is out. `batch submit` sends what `batch export` wrote.")
    return False


def _still_needed(folder: Path, ledger: Ledger, file: RequestFile) -> bool:
    """False for a file whose rows all have their outcome by now, from `import` or `expand`.

    Raises UsageError where some have: they would be paid for twice.
    """
    with closing(read_only(folder)) as connection:
        lacking = sum(
            connection.execute(_LACKS_OUTCOME, (row_id,)).fetchone() is not None for row_id in ledger.asked(file)
        )
    if lacking == file.requests:
        return True
    if lacking:
        raise UsageError(
            f"{file.path}: {file.requests - lacking:,} of its {file.requests:,} rows have their outcome by now. "
            "`batch export` writes the others anew."
        )
    ledger.move(file, State.SUPERSEDED, input_file=file.input_file, batch=None, status=None)
    return False


def _check_unchanged(file: RequestFile) -> None:
    """What is sent must be what was exported. Raises UsageError."""
    try:
        with file.path.open("rb") as opened_file:
            digest = hashlib.file_digest(opened_file, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"{file.path}: cannot be read: {error.strerror}. `batch export` writes it anew.") from error
    if digest != file.sha256:
        raise UsageError(f"{file.path}: has changed since it was exported. `batch export` writes it anew.")


def _told(step: Callable[[], Exit], reach: Reach, status: Console) -> Exit:
    """The step's exit code; a service that fails ends in one line, and the same command goes on."""
    try:
        return step()
    except EndpointError as error:
        status.print(f"Stopped: {error}. {error.hint}".rstrip(), markup=False, style="bold", soft_wrap=True)
        if error.kind == "auth":
            status.print(f"The key is read from ${reach.api_key_env}.", markup=False)
        status.print("What was done stays; the same command goes on.")
        return Exit.PROVIDER
