"""`recover`: check a run's store, and write a fresh one where it is damaged."""

from __future__ import annotations

from pathlib import Path

from expander.consoles import console


def recover(run: Path, /) -> int:
    """Check every line of a run's store. Where it is damaged, write a fresh one from all that can still be read.

    The damaged file stays beside it, as store.sqlite.damaged. The run's own command then goes on: what was lost is asked for
    again, and nothing else. Exit codes: 0 whole, or recovered; 2 wrong usage, or nothing can be read.

    Example: `run.py recover outputs/posts-smile-gpt-4o-mini`

    Parameters
    ----------
    run: Path
        A run's folder, made by `expand`, `annotate`, `batch` or as an arm of `ablate`.
    """
    from expander.store.recovery import recover as recover_store

    recovered = recover_store(run)
    out = console()
    if recovered.whole:
        out.print(f"{run}: the store is whole. Nothing was changed.", markup=False, soft_wrap=True)
        return 0
    said = [
        recovered.found.partition(" It was left as it is.")[0],
        f"Read from it: {recovered.replies:,} replies and {recovered.rows:,} rows, each held against its seal.",
    ]
    if recovered.replies_lost:
        said.append(f"{recovered.replies_lost:,} replies could not be read.")
    if recovered.rows_asked_again:
        said.append(f"{recovered.rows_asked_again:,} rows lost the reply that decided, and are asked for again.")
    if recovered.settings_lost:
        said.append(
            "The run's settings could not be read: give the very command that made it, since no other is refused now."
        )
    if recovered.aside is not None:
        said.append(f"The damaged file stays as {recovered.aside}.")
    said.append("The run's own command goes on from here.")
    for line in said:
        out.print(line, markup=False, soft_wrap=True)
    return 0
