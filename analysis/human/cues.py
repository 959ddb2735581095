"""What an utterance does, told by cue words: ask, advise, reflect, encourage. And how far the cues agree with labels.

A cue is a form of words, so a share of utterances with a cue compares corpora; it does not understand any one of them.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from analysis.human.labels import strategies
from filters.dialogue import CorpusEntry, Role

_FILE = Path(__file__).with_suffix(".yaml")
_CURLY = str.maketrans("’‘", "''")
_LATIN = re.compile("[a-z]{2}")
_CHOICE = re.compile(r"\(\?:([^()]*)\)(\?)?")
_CLASS = re.compile(r"\[([^\]^]*)\]")
_HAN = re.compile("[\u4e00-\u9fff]")
_CLOSING = " \t\r\n\u3000\"'”’」』）)】]~～…."
"""What may follow the last question mark of an utterance: closing quotes and brackets, and what trails off."""


class Act(StrEnum):
    """What an utterance does. The names are the keys of cues.yaml, which says what each means."""

    ASK = "ask"
    ADVISE = "advise"
    REFLECT = "reflect"
    ENCOURAGE = "encourage"
    UNDERSTAND = "understand"
    STAND_BY = "stand_by"
    FEELING = "feeling"
    THANK = "thank"


LABELS: Mapping[Act, frozenset[str]] = {
    Act.ASK: frozenset({"question"}),
    Act.ADVISE: frozenset({"providing suggestions"}),
    Act.REFLECT: frozenset({"reflection of feelings", "restatement or paraphrasing"}),
    Act.ENCOURAGE: frozenset({"affirmation and reassurance"}),
}
"""Strategy labels that mean the act, in lower case: ESConv's names (Liu et al. 2021), as Psy-Insight uses them."""

_UNLABELLED = frozenset({"unknown", ""})


@dataclass(frozen=True, slots=True)
class _Cue:
    chinese: re.Pattern[str]
    english: re.Pattern[str]


def does(act: Act, text: str) -> bool:
    """Whether a cue of the act stands in the text. Time grows with the text; any string will do."""
    return _found(_cues()[act], text, _folded(text))


def acts_of(text: str, acts: Iterable[Act] = tuple(Act)) -> frozenset[Act]:
    """Those of the acts that have a cue in the text."""
    cues, folded = _cues(), _folded(text)
    return frozenset([act for act in acts if _found(cues[act], text, folded)])


def ends_asking(text: str) -> bool:
    """Whether the utterance ends with a question mark, closing quotes and brackets aside."""
    return text.rstrip(_CLOSING).endswith(("?", "？"))


def language_of(text: str) -> str:
    """Which language most words are of: "zh", "en", or "" for a text with no word of either.

    A Chinese character for every ten Latin words is enough for "zh": Chinese text may be full of names and terms.
    """
    han, latin = len(_HAN.findall(text)), len(re.findall("[A-Za-z]+", text))
    if not han and not latin:
        return ""
    return "zh" if han * 10 >= latin else "en"


def _folded(text: str) -> str:
    """The text as English entries want it, or "" where it holds no Latin letters."""
    folded = text.lower()
    return folded.translate(_CURLY) if _LATIN.search(folded) else ""


def _found(cue: _Cue, text: str, folded: str) -> bool:
    # Chinese entries may ask for the end of a sentence in front of them, or after them.
    return bool(cue.chinese.search(f"。{text}。") or (folded and cue.english.search(folded)))


@cache
def _cues() -> Mapping[Act, _Cue]:
    listed: dict[str, Any] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return {
        Act(act): _Cue(_alternation(cues["zh"], ""), _alternation(cues["en"], "[a-z]")) for act, cues in listed.items()
    }


def _alternation(entries: Iterable[str], before: str) -> re.Pattern[str]:
    """All entries in one pattern, none that starts with a letter after one of the class `before`.

    The alternatives of the pattern are plain characters, each with what may follow it: only then does `re` skip to a
    place where an entry can start, and a search is about three times as quick (measured on 22,000 utterances of SMILECHAT).
    """
    starts: dict[str, list[str]] = {}
    for entry in entries:
        for first, rest in _literal_starts(entry):
            starts.setdefault(first, []).append(rest)
    return re.compile(
        "|".join(
            re.escape(first)
            + (f"(?<!{before}{first})" if before and first.isalpha() else "")
            + f"(?:{'|'.join(rests)})"
            for first, rests in starts.items()
        )
    )


def _literal_starts(entry: str) -> Iterator[tuple[str, str]]:
    """The entry as pairs of a first character and an expression of the rest, its leading choices spelt out."""
    choice, letters = _CHOICE.match(entry), _CLASS.match(entry)
    lead = choice or letters
    if lead and entry[lead.end() :][:1] in {"*", "+", "{"}:
        raise ValueError(f"the choice that a cue starts with must not repeat, and that of {entry!r} does")
    if choice:
        for option in choice[1].split("|"):
            yield from _literal_starts(option + entry[choice.end() :])
        if choice[2]:
            yield from _literal_starts(entry[choice.end() :])
    elif letters:
        for letter in letters[1]:
            yield letter, entry[letters.end() :]
    elif entry[:1] in {"", *"()[]{}.*+?^$|\\"}:
        raise ValueError(f"a cue must start with a letter, a flat choice or a class, and {entry!r} does not")
    else:
        yield entry[0], entry[1:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far the cues of an act agree with strategy labels, in one language.

    `labelled`, `cued` and `both` count counselor utterances out of `n` that carry a label. A measure is None where it
    has no denominator. `kappa` is Cohen's (1960): agreement beyond that of chance, 0 for none and 1 for all.
    """

    act: Act
    language: str
    n: int
    labelled: int
    cued: int
    both: int
    precision: float | None
    recall: float | None
    f1: float | None
    kappa: float | None

    def in_words(self) -> str:
        """One line for a caveat."""
        if self.precision is None or self.recall is None:
            return f"{self.act} ({self.language}): no labelled or no cued utterance among {self.n}"
        return (
            f"{self.act} ({self.language}): precision {self.precision:.2f}, recall {self.recall:.2f}, "
            f"kappa {self.kappa or 0.0:.2f} over {self.n} labelled utterances"
        )


def agreement(entries: Iterable[CorpusEntry]) -> tuple[Agreement, ...]:
    """Cues against the strategy labels that the entries carry, by act and by the dialogue's language.

    Utterances without a label, or labelled unknown only, are left out. Empty where no entry carries labels. Mind that a
    label names the main act of an utterance while cues find every one, which keeps precision low; that Psy-Insight's
    labels are partly made by a model and checked by people (section 3.1); and that figures mean something only on
    entries that the cues were not tuned on, which `held_out` picks.
    """
    seen: Counter[str] = Counter()
    labelled: Counter[tuple[str, Act]] = Counter()
    cued: Counter[tuple[str, Act]] = Counter()
    both: Counter[tuple[str, Act]] = Counter()
    for language, labels, text in _labelled_utterances(entries):
        seen[language] += 1
        found = acts_of(text, LABELS)
        for act, names in LABELS.items():
            key, is_labelled = (language, act), not names.isdisjoint(labels)
            labelled[key] += is_labelled
            cued[key] += act in found
            both[key] += is_labelled and act in found
    return tuple(
        _agreement(act, language, seen[language], labelled[language, act], cued[language, act], both[language, act])
        for language in sorted(seen, reverse=True)
        for act in LABELS
    )


def held_out(entries: Iterable[CorpusEntry]) -> Iterator[CorpusEntry]:
    """The half of the entries, by a hash of their id, that the cues were not tuned on."""
    for entry in entries:
        if hashlib.blake2b(entry.id.encode("utf-8", "surrogatepass")).digest()[0] % 2:
            yield entry


def _labelled_utterances(entries: Iterable[CorpusEntry]) -> Iterator[tuple[str, frozenset[str], str]]:
    for entry in entries:
        said = entry.dialogue.utterances
        language = language_of("".join([text for _, text in said])) or "none"
        for (role, text), named in zip(said, strategies(entry), strict=True):
            labels = frozenset(name.strip().lower() for name in named) - _UNLABELLED
            if role is Role.COUNSELOR and labels:
                yield language, labels, text


def _agreement(act: Act, language: str, n: int, labelled: int, cued: int, both: int) -> Agreement:
    same = (both + n - labelled - cued + both) / n
    chance = (labelled * cued + (n - labelled) * (n - cued)) / n**2
    return Agreement(
        act=act,
        language=language,
        n=n,
        labelled=labelled,
        cued=cued,
        both=both,
        precision=both / cued if cued else None,
        recall=both / labelled if labelled else None,
        f1=2 * both / (labelled + cued) if labelled and cued else None,
        kappa=(same - chance) / (1 - chance) if chance < 1 else None,
    )
