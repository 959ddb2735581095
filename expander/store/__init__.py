"""The run store: every reply as it came, every row as it ended, in one file that is written by one and read by many."""

from expander.store.reading import read_only
from expander.store.records import Kind, NewReply, Outcome, RowRecord, StoredPost, StoredReply, post_of
from expander.store.run_store import Store
from expander.store.schema import FILE, SCHEMA

__all__ = [
    "FILE",
    "SCHEMA",
    "Kind",
    "NewReply",
    "Outcome",
    "RowRecord",
    "Store",
    "StoredPost",
    "StoredReply",
    "post_of",
    "read_only",
]
