"""What is done already is passed over before anything is made of it.

A run that goes on meets every post of its input again. To clean a post, look for personal data in it and render its prompt
takes longer than to read it, so a post whose rows all have an outcome is known by their ids alone, many posts to a look
into the store: `benchmarks/long_run.py` measures how long a run of a million rows takes to its first new request.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from expander.errors import ExpanderError
from expander.post import Post, Unreadable
from expander.progress import Progress
from expander.rows import Maker, Row
from expander.store import Store, StoredReply

LOOK_UP_AT_ONCE = 200  # posts; some 5 ms, after which other tasks get a turn

Item = TypeVar("Item")


class Pending:
    """The rows of an input that need work. What is met on the way is counted, and noted in the store where it is no row."""

    def __init__(self, store: Store, maker: Maker, progress: Progress) -> None:
        self.replies: dict[str, list[StoredReply]] = store.pending()
        """Stored replies of rows without an outcome, oldest first, by row."""
        self._store = store
        self._maker = maker
        self._progress = progress
        self._fresh = store.is_empty()

    def rows(self, posts: Iterable[Post | Unreadable]) -> Iterator[Row | None]:
        """Rows without an outcome in the input's order, with None now and then to let other tasks have a turn.

        Raises what `posts` raises, once all that came before it was given.
        """
        progress = self._progress
        idle = 0
        for batch in looked_up(posts, self._store, self._maker, fresh=self._fresh):
            idle += len(batch)
            for met in batch:
                if met.is_done:
                    progress.rows += len(met.ids)
                    progress.done_before += len(met.ids)
                    continue
                for row in self._rows_of(met):
                    progress.rows += 1
                    if row.id in met.done:
                        progress.done_before += 1
                    else:
                        idle = 0
                        yield row
            if idle >= LOOK_UP_AT_ONCE:
                idle = 0
                yield None

    def _rows_of(self, met: Met) -> Iterator[Row]:
        post = met.post
        if isinstance(post, Unreadable):
            self._note_unreadable(post)
            return
        if met.before is not None:
            self._progress.duplicates += 1
            self._store.keep_missing(post.place, "duplicate", f"{self._maker.same_as} {met.before}")
            return
        for row in self._maker.rows(met.position, post):
            if isinstance(row, Unreadable):
                self._note_unreadable(row)
            else:
                yield row

    def _note_unreadable(self, problem: Unreadable) -> None:
        self._progress.unreadable += 1
        self._store.keep_missing(problem.place, "unreadable", problem.reason)


class Met(NamedTuple):
    """A row of the input, and what is known of it."""

    position: int
    post: Post | Unreadable
    before: str | None
    """Where the same post stood earlier in this input."""
    ids: Sequence[str]
    """Its rows'; none for a row that is no post."""
    done: frozenset[str]
    """Of these and its neighbours', the rows that are kept or rejected."""

    @property
    def is_done(self) -> bool:
        return self.before is None and bool(self.ids) and self.done.issuperset(self.ids)


def looked_up(posts: Iterable[Post | Unreadable], store: Store, maker: Maker, *, fresh: bool) -> Iterator[list[Met]]:
    """The input in its order, with what is known of it. In a fresh run nothing is done, and no row is read ahead.

    Raises what `posts` raises, once all that came before it was given; StoreError as `Store.first_places`.
    """
    for batch in _batches(enumerate(posts), 1 if fresh else LOOK_UP_AT_ONCE):
        read = [post for _, post in batch if isinstance(post, Post)]
        before = iter(store.first_places([(post.id, post.place) for post in read]))
        ids = [() if fresh or isinstance(post, Unreadable) else maker.ids(post) for _, post in batch]
        wanted = () if fresh else [each for several in ids for each in several]
        done = frozenset(store.done(wanted, batch[0][0], batch[-1][0]) if wanted else ())
        yield [
            Met(position, post, next(before) if isinstance(post, Post) else None, rows, done)
            for (position, post), rows in zip(batch, ids, strict=True)
        ]


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """So many at once; what was read before an error is given before it is raised."""
    batch: list[Item] = []
    try:
        for item in items:
            batch.append(item)
            if len(batch) >= size:
                yield batch
                batch = []
    except ExpanderError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch
