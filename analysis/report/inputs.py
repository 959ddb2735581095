"""What a report is made of: corpora read into memory, named, and what a reader must know of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

from analysis.folding import digest, folded_text
from analysis.lexical.tokens import Tokens
from filters.dialogue import CorpusEntry, Dialogue, Role

FEW_DIALOGUES = 30
"""Below this, intervals are rough: the usual rule of thumb for the central limit theorem, and the coverages in the tests."""
LONG_UTTERANCE = 5_000
"""Code points. The longest utterances of SMILECHAT and Psy-Insight stay below 2,200; one beyond is rarely a spoken one."""
_HUMAN_CAVEAT = (
    "Its sessions come from fewer cases (the Chinese part: 431 sessions of 75 cases), and the file does not say which belong "
    "together: its intervals are too narrow."
)
_OVERLAPS = "Some of its English sessions are overlapping excerpts of one session."


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusInput:
    """A corpus as it is handed in: all of its readable dialogues."""

    name: str
    file: str
    kind: str
    human: bool
    entries: Sequence[CorpusEntry]
    broken: int = 0
    posts: Mapping[str, str] = field(default_factory=dict)
    """Text of the post by its id, for a run; an entry names its post in extra["provenance"]["post_id"]."""
    from_posts: bool = True
    """False for a run whose template was given no post: its rows count along posts, and its dialogues know nothing of them."""

    cut: Mapping[str, Tokens] = field(default_factory=dict)
    """Tokens by tokenizer, where some were cut while the corpus was read."""

    @property
    def dialogues(self) -> list[Dialogue]:
        return [entry.dialogue for entry in self.entries]

    def post_of(self, entry: CorpusEntry) -> str | None:
        """The id of the post that an entry was made from; None for one that was made without."""
        provenance = entry.extra.get("provenance")
        found = provenance.get("post_id") if self.from_posts and isinstance(provenance, Mapping) else None
        return found if isinstance(found, str) and found else None


def corpus_name(path: Path) -> str:
    """The file's or folder's name without endings."""
    return path.resolve().name.split(".", 1)[0] or path.resolve().name


def unique_names(names: Sequence[str]) -> list[str]:
    """The same names, a number after those that came before."""
    found: list[str] = []
    for name in names:
        times = 1
        unique = name
        while unique in found:
            times += 1
            unique = f"{name} ({times})"
        found.append(unique)
    return found


def corpus_remarks(corpus: CorpusInput, language: str, distinct: int) -> tuple[str, ...]:
    """What a reader must know before any figure of this corpus, in sentences; `distinct` dialogues say something new."""
    entries = corpus.entries
    if not entries:
        return ("It holds no dialogue, so it has no figure.",)
    remarks: list[str] = []
    if corpus.broken:
        remarks.append(f"{corpus.broken:,} entries could not be read; they are in no figure.")
    if len(entries) == 1:
        remarks.append(
            "It holds one dialogue: nothing can be said of how dialogues differ, and no interval can be had."
        )
    elif len(entries) < FEW_DIALOGUES:
        remarks.append(
            f"It holds {len(entries)} dialogues only: its intervals are rough, and small differences cannot be seen."
        )
    said = [utterance for entry in entries for utterance in entry.dialogue.utterances]
    roles = {role for role, _ in said}
    if len(roles) == 1:
        remarks.append(f"Only the {next(iter(roles))} speaks in it.")
    for role in Role:
        empty = sum(speaker is role and not text.strip() for speaker, text in said)
        if empty:
            remarks.append(f"{empty:,} utterances of the {role} are empty.")
    longest = max((len(text) for _, text in said), default=0)
    if longest > LONG_UTTERANCE:
        remarks.append(f"Its longest utterance has {longest:,} characters.")
    if language == "mixed":
        remarks.append("Chinese and English are mixed in it: its words are told apart by rules for Chinese.")
    if distinct < len(entries):
        remarks.append(f"{len(entries) - distinct:,} of its {len(entries):,} dialogues say what an earlier one says.")
    if corpus.kind == "psy-insight":
        remarks.append(_HUMAN_CAVEAT)
        if language == "en":
            remarks.append(_OVERLAPS)
    return tuple(remarks)


def fingerprints(corpus: CorpusInput) -> set[bytes]:
    """16 bytes for each dialogue that says something else."""
    return {digest(folded_text(entry.dialogue)) for entry in corpus.entries}


def shared_dialogues(prints: Mapping[str, set[bytes]]) -> list[str]:
    """A sentence for each pair of corpora, by name, that have dialogues in common."""
    return [
        f"{both:,} dialogues stand in both {one} and {other}: differences between the two are understated."
        for one, other in combinations(prints, 2)
        if (both := len(prints[one] & prints[other]))
    ]
