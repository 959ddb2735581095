"""How large a corpus is and how its dialogues are built: Tables 3 and 6 of SMILE, for any corpus.

SMILE's Table 3 calls "utterances" what is called sentences here, and its Table 6 calls "utterances" the messages; both
are given, apart. Length is code points of the utterance, punctuation included; turns are utterances / 2, as there.

Chinese sentences: an utterance is split at each of 。！？ and every piece that is not the empty string counts, white
space too. The paper does not state its rule; this one gives its Table 3 to the last digit on the published SMILECHAT.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import pandas as pd

from analysis.figures import Group, Metric
from analysis.ratios import DIALOGUES, Ratio
from filters.dialogue import Dialogue, Role

ENOUGH_TURNS = 5
"""SMILE §5.4 keeps dialogues of at least five turns."""

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]")
_MARKS = ".!?…。！？"
_OPENING, _CLOSING = "\"'“‘([{«*", "\"'”’)]}»*"
_TITLES = frozenset(["mr", "mrs", "ms", "dr", "prof", "rev", "st", "vs", "e.g", "i.e", "eg", "ie", "cf"])  # never last
_ALSO_LAST = frozenset(["etc"])  # like a.m. and Ph.D.: last in a sentence, unless a lower-case letter follows


def chinese_sentences(text: str) -> int:
    """Pieces between 。！？ that are not the empty string, unstripped: the rule that Table 3 of SMILE rests on."""
    pieces = text.replace("！", "。").replace("？", "。").split("。")
    return len(pieces) - pieces.count("")


def english_sentences(text: str) -> int:
    """Stretches with a letter or digit that end in . ! ? or …, closing quotes and brackets aside, before space or the end.

    So decimals and addresses end nothing; nor do titles and Latin abbreviations (Mr. Dr. e.g. vs.), initials (J. but
    not I.), and, before a lower-case letter, abbreviations with dots inside (a.m. Ph.D.), etc. and ellipses. What
    follows the last end is one sentence more, and a text that is not blank has at least one. The rule is this
    project's own.
    """
    words = text.split()
    ended, open_ = 0, False
    for word, follower in pairwise([*words, ""]):
        open_ = open_ or any(map(str.isalnum, word))
        if open_ and _ends(word, follower):
            ended, open_ = ended + 1, False
    return max(ended + open_, min(1, len(words)))


def _ends(word: str, follower: str) -> bool:
    core = word.rstrip(_CLOSING)
    stem = core.rstrip(_MARKS)
    mark = core[len(stem) :]
    if not mark or not follower:
        return bool(mark)
    lower = follower.lstrip(_OPENING)[:1].islower()
    if mark != ".":
        return not (lower and set(mark) <= {".", "…"})
    name = stem.lstrip(_OPENING).lower()
    initial = len(name) == 1 and name.isalpha() and name != "i"
    return not (initial or name in _TITLES or (lower and ("." in name or name in _ALSO_LAST)))


def sentences(text: str) -> int:
    """Sentences of an utterance on its own: by the Chinese rule where it holds a Han character, else by the English."""
    return chinese_sentences(text) if _HAN.search(text) else english_sentences(text)


def _sentences_of(texts: Sequence[str]) -> list[int]:
    """Sentences of each utterance of a dialogue.

    An utterance without a Han character follows the English rule where most of the dialogue does: a lone English
    utterance in a Chinese dialogue counts as the paper counts it.
    """
    han = [_HAN.search(text) is not None for text in texts]
    if 2 * sum(han) >= sum(not text.isspace() for text in texts if text):
        return [chinese_sentences(text) for text in texts]
    return [sentences(text) for text in texts]


_WHOLE_NUMBERS = (
    DIALOGUES,
    "utterances",
    "client_utterances",
    "counselor_utterances",
    "sentences",
    "client_sentences",
    "counselor_sentences",
    "characters",
    "client_characters",
    "counselor_characters",
    "empty_utterances",
    "same_speaker_again",
    "opens_with_client",
    "closes_with_counselor",
    "below_five_turns",
)
COLUMNS = (*_WHOLE_NUMBERS, "turns")
"""Of the frame that `statistics_frame` makes."""


def statistics_frame(dialogues: Iterable[Dialogue]) -> pd.DataFrame:
    """A row a dialogue with the counts of `COLUMNS`; every figure here is a ratio of sums of two of them.

    `empty_utterances` are those of nothing but white space, `same_speaker_again` those that follow one of their own
    speaker; the last three columns before `turns` are 0 or 1.
    """
    rows = np.array([_row(dialogue) for dialogue in dialogues], dtype=np.int64).reshape(-1, len(_WHOLE_NUMBERS))
    frame = pd.DataFrame(rows, columns=list(_WHOLE_NUMBERS))
    return frame.assign(turns=frame["utterances"] / 2)


def _row(dialogue: Dialogue) -> tuple[int, ...]:
    said = dialogue.utterances
    roles, texts = [utterance.role for utterance in said], [utterance.text for utterance in said]
    parts, lengths = _sentences_of(texts), list(map(len, texts))
    client = [role is Role.CLIENT for role in roles]
    by_client = sum(client)
    client_parts = sum(part for part, is_client in zip(parts, client, strict=True) if is_client)
    client_length = sum(length for length, is_client in zip(lengths, client, strict=True) if is_client)
    all_parts, all_length = sum(parts), sum(lengths)
    return (
        1,
        len(said),
        by_client,
        len(said) - by_client,
        all_parts,
        client_parts,
        all_parts - client_parts,
        all_length,
        client_length,
        all_length - client_length,
        sum(not text or text.isspace() for text in texts),
        sum(map(Role.__eq__, roles, roles[1:])),
        bool(said) and roles[0] is Role.CLIENT,
        bool(said) and roles[-1] is Role.COUNSELOR,
        len(said) < 2 * ENOUGH_TURNS,
    )


_TABLE_3 = "SMILE (Qiu et al., 2024), Table 3"
_TABLE_6 = "SMILE (Qiu et al., 2024), Table 6"
_OWN = "this project's own"
_SENTENCE = (
    "Chinese text is split at each of 。！？ and every piece that is not empty counts; English text at . ! ? and … before "
    "a space or the end, abbreviations aside."
)
_LANGUAGES = "Chinese and English sentences and characters differ in size: compare corpora of one language."


def _ratio(
    numerator: str,
    denominator: str = DIALOGUES,
    *,
    key: str,
    name: str,
    unit: str,
    definition: str,
    source: str,
    caveat: str = "",
) -> Ratio:
    metric = Metric(
        key=key, name=name, group=Group.SIZE, unit=unit, definition=definition, source=source, caveat=caveat
    )
    return Ratio(metric=metric, numerator=numerator, denominator=denominator)


def _of_role(column: str, who: str) -> tuple[Ratio, ...]:
    """The rows of both tables; `column` begins the names of columns, `who` those for a reader."""
    return (
        _ratio(
            f"{column}utterances",
            key=f"{column}utterances_per_dialogue",
            name=f"Utterances per dialogue{who}",
            unit="utterances a dialogue",
            definition="Messages of a speaker over dialogues; empty ones count.",
            source=_TABLE_6,
        ),
        _ratio(
            f"{column}sentences",
            key=f"{column}sentences_per_dialogue",
            name=f"Sentences per dialogue{who} (SMILE, Table 3: utterances)",
            unit="sentences a dialogue",
            definition=f"Sentences over dialogues. {_SENTENCE}",
            source=_TABLE_3,
            caveat=_LANGUAGES,
        ),
        _ratio(
            f"{column}characters",
            f"{column}sentences",
            key=f"{column}characters_per_sentence",
            name=f"Characters per sentence{who} (SMILE, Table 3: length per utterance)",
            unit="characters a sentence",
            definition=f"Code points of all utterances, punctuation included, over sentences. {_SENTENCE}",
            source=_TABLE_3,
            caveat=_LANGUAGES,
        ),
        _ratio(
            f"{column}characters",
            f"{column}utterances",
            key=f"{column}characters_per_utterance",
            name=f"Characters per utterance{who}",
            unit="characters an utterance",
            definition="Code points of all utterances, punctuation included, over messages.",
            source=_TABLE_6,
            caveat=_LANGUAGES,
        ),
    )


RATIOS: tuple[Ratio, ...] = (
    _ratio(
        "turns",
        key="turns_per_dialogue",
        name="Turns per dialogue",
        unit="turns a dialogue",
        definition="Utterances / 2 over dialogues; a dialogue of odd length adds a half.",
        source=f"{_TABLE_3}, and Table 6",
    ),
    *_of_role("", ""),
    *_of_role("client_", ", client"),
    *_of_role("counselor_", ", counselor"),
    _ratio(
        "opens_with_client",
        key="opens_with_client",
        name="Dialogues that the client opens",
        unit="share of dialogues",
        definition="Dialogues whose first utterance is the client's, over dialogues.",
        source=_OWN,
    ),
    _ratio(
        "closes_with_counselor",
        key="closes_with_counselor",
        name="Dialogues that the counselor closes",
        unit="share of dialogues",
        definition="Dialogues whose last utterance is the counselor's, over dialogues.",
        source=_OWN,
    ),
    _ratio(
        "below_five_turns",
        key="below_five_turns",
        name="Dialogues of fewer than five turns",
        unit="share of dialogues",
        definition="Dialogues of fewer than ten utterances, over dialogues.",
        source="SMILE (Qiu et al., 2024), §5.4: the least length it keeps",
    ),
    _ratio(
        "same_speaker_again",
        "utterances",
        key="same_speaker_again",
        name="Utterances that follow one of their own speaker",
        unit="share of utterances",
        definition="Utterances whose speaker also spoke just before, over utterances.",
        source=_OWN,
    ),
    _ratio(
        "empty_utterances",
        "utterances",
        key="empty_utterances",
        name="Empty utterances",
        unit="share of utterances",
        definition="Utterances of nothing but white space, over utterances.",
        source=_OWN,
    ),
)
"""Over the frame of `statistics_frame`."""

T = TypeVar("T")


class ByRole(NamedTuple, Generic[T]):
    """A number for all utterances, and for those of each role."""

    total: T
    client: T
    counselor: T


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusStatistics:
    """All numbers of SMILE's Tables 3 and 6. Means are None where there is nothing to divide by."""

    dialogues: int
    utterances: ByRole[int]
    """Messages: "# Utterances" of Table 6."""
    sentences: ByRole[int]
    """Table 3's "# Utterances"."""
    characters: ByRole[int]
    turns_per_dialogue: float | None
    utterances_per_dialogue: ByRole[float | None]
    """As in Table 6."""
    sentences_per_dialogue: ByRole[float | None]
    """Table 3's "Utterances per dialogue"."""
    characters_per_sentence: ByRole[float | None]
    """Table 3's "Avg. length per utterance"."""
    characters_per_utterance: ByRole[float | None]
    """As in Table 6."""


def totals(frame: pd.DataFrame) -> CorpusStatistics:
    """Both tables, from the frame of `statistics_frame`."""
    sums = {str(name): int(frame[name].sum()) for name in _WHOLE_NUMBERS}

    def of(name: str) -> ByRole[int]:
        return ByRole(sums[name], sums[f"client_{name}"], sums[f"counselor_{name}"])

    def over(name: str, other: str) -> ByRole[float | None]:
        below = of(other) if other != DIALOGUES else [sums[DIALOGUES]] * 3
        return ByRole(*(top / bottom if bottom else None for top, bottom in zip(of(name), below, strict=True)))

    return CorpusStatistics(
        dialogues=sums[DIALOGUES],
        utterances=of("utterances"),
        sentences=of("sentences"),
        characters=of("characters"),
        turns_per_dialogue=sums["utterances"] / 2 / sums[DIALOGUES] if sums[DIALOGUES] else None,
        utterances_per_dialogue=over("utterances", DIALOGUES),
        sentences_per_dialogue=over("sentences", DIALOGUES),
        characters_per_sentence=over("characters", "sentences"),
        characters_per_utterance=over("characters", "utterances"),
    )
