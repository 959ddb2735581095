"""A post that is met twice in one reading is known, and where its first stood."""

from __future__ import annotations

from pathlib import Path

import pytest

from expander.post import Place
from expander.store import Store, seen
from expander.store.seen import Seen
from tests.expander.storing import child, during


def test_a_duplicate_is_named_after_another_opening(tmp_path: Path) -> None:
    async def work(store: Store) -> list[str | None]:
        return [
            store.first_place("a", Place("x.json", 1)),
            store.first_place("b", Place("x.json", 2)),
            store.first_place("a", Place("x.json", 3)),
            store.first_place("a", Place("x.json", 4)),
        ]

    for _ in range(2):  # resuming reads the same input again
        assert during(tmp_path, work) == [None, None, "x.json:1", "x.json:1"]


def test_a_full_temporary_folder_is_a_bug(tmp_path: Path) -> None:
    work = """
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    try:
        for i in range(200_000):
            store.first_place(f"{i * 7919 % 200_000:020}", Place("posts.json", i))
    except StoreError as error:
        print(error, flush=True)
    """
    with child(tmp_path, work) as process:
        assert process.stdout is not None
        told = process.stdout.read()
    assert "SQLITE_TMPDIR" in told


def test_a_post_met_again_after_many_is_new_or_has_another_s_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a filter so small that it says "perhaps" of every id, and past the moment when the file gets its index."""
    monkeypatch.setattr(seen, "_BITS", 64)
    monkeypatch.setattr(seen, "_LOOKED_THROUGH", 50)
    found = Seen()
    ids = [f"{number * 7919 % 1000:020}" for number in range(400)]
    for start in range(0, 400, 80):
        met = [(post_id, Place("x.json", start + at)) for at, post_id in enumerate(ids[start : start + 80])]
        assert found.first_places(met) == [None] * 80
    again = [("no number", Place("y.json", 1)), (ids[3], Place("y.json", 2)), (ids[399], Place("y.json", 3))]
    assert found.first_places([*again, *again]) == [
        None,
        *(Place("x.json", 3), Place("x.json", 399)),
        *(Place("y.json", 1), Place("x.json", 3), Place("x.json", 399)),
    ]
