"""How counselors talk, a row a dialogue: what experts named as the gap between synthetic and human counselling.

Psy-Insight's experts (section 2.2 and appendix F) found shallow empathy, little emotional interaction, too much
problem-solving and too little exploration in synthetic sessions; SoulChat (Chen et al. 2023, section 1) asks for empathy,
listening and comfort instead of early advice. Each column counts forms of words that stand for one of these.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pandas as pd

from analysis.corpus_statistics import sentences
from analysis.figures import Group, Metric
from analysis.human.cues import Act, acts_of, ends_asking
from analysis.ratios import DIALOGUES, Ratio
from filters.dialogue import Dialogue, Role

_COUNSELOR_ACTS = (
    Act.ASK,
    Act.ADVISE,
    Act.REFLECT,
    Act.ENCOURAGE,
    Act.UNDERSTAND,
    Act.STAND_BY,
    Act.FEELING,
)
_CLIENT_ACTS = (Act.ASK, Act.FEELING, Act.THANK)

_COLUMNS = (
    DIALOGUES,
    *(f"{role}_{counted}" for role in Role for counted in ("utterances", "sentences", "characters")),
    "characters",
    *(f"counselor_{act}" for act in _COUNSELOR_ACTS),
    "counselor_ends_asking",
    "counselor_only_advises",
    *(f"client_{act}" for act in _CLIENT_ACTS),
    "dialogues_with_client",
    "dialogues_with_counselor",
    "dialogues_with_utterances",
    "dialogues_with_thanks",
    "dialogues_with_understanding",
    "dialogues_with_standing_by",
    "last_client_thanks",
    "opens_client",
    "closes_counselor",
    "first_counselor_advises",
    "first_counselor_asks",
    "dialogues_with_advice",
    "utterances_before_advice",
    "questions_before_advice",
)


def gap_frame(dialogues: Sequence[Dialogue]) -> pd.DataFrame:
    """Counts, shape (dialogues, columns), whole numbers, in the order given; rows of frames may be stacked.

    `counselor_X` counts the counselor utterances with a cue of X, and a name that starts otherwise is 1 or 0 for a
    dialogue, but for `utterances_before_advice` and `questions_before_advice`: counselor utterances that stand before
    the first with advice, and those of them that ask; 0 where there is no advice.
    """
    rows = [_row(dialogue) for dialogue in dialogues]
    return pd.DataFrame({name: [row[name] for row in rows] for name in _COLUMNS}, dtype="int64")


def _row(dialogue: Dialogue) -> Mapping[str, int]:
    row: Counter[str] = Counter({DIALOGUES: 1})
    acts: dict[Role, list[frozenset[Act]]] = {Role.CLIENT: [], Role.COUNSELOR: []}
    for role, text in dialogue.utterances:
        counselor = role is Role.COUNSELOR
        found = acts_of(text, _COUNSELOR_ACTS if counselor else _CLIENT_ACTS)
        acts[role].append(found)
        row[f"{role}_utterances"] += 1
        row[f"{role}_sentences"] += sentences(text)
        row[f"{role}_characters"] += len(text)
        row["characters"] += len(text)
        row.update([f"{role}_{act}" for act in found])
        if counselor:
            row["counselor_ends_asking"] += ends_asking(text)
            row["counselor_only_advises"] += Act.ADVISE in found and found.isdisjoint({Act.ASK, Act.REFLECT})
    row.update(_of_whole(dialogue, acts[Role.CLIENT], acts[Role.COUNSELOR]))
    return row


def _of_whole(
    dialogue: Dialogue, client: Sequence[frozenset[Act]], counselor: Sequence[frozenset[Act]]
) -> Mapping[str, int]:
    said = dialogue.utterances
    advised = next((place for place, acts in enumerate(counselor) if Act.ADVISE in acts), None)
    return {
        "dialogues_with_client": bool(client),
        "dialogues_with_counselor": bool(counselor),
        "dialogues_with_utterances": bool(said),
        "dialogues_with_thanks": any(Act.THANK in acts for acts in client),
        "dialogues_with_understanding": any(Act.UNDERSTAND in acts for acts in counselor),
        "dialogues_with_standing_by": any(Act.STAND_BY in acts for acts in counselor),
        "last_client_thanks": bool(client) and Act.THANK in client[-1],
        "opens_client": bool(said) and said[0].role is Role.CLIENT,
        "closes_counselor": bool(said) and said[-1].role is Role.COUNSELOR,
        "first_counselor_advises": advised == 0,
        "first_counselor_asks": bool(counselor) and Act.ASK in counselor[0],
        "dialogues_with_advice": advised is not None,
        "utterances_before_advice": advised or 0,
        "questions_before_advice": sum(Act.ASK in acts for acts in counselor[: advised or 0]),
    }


_OWN = "this project's own"
_EXPERTS = "after the experts' comments in Psy-Insight, section 2.2 and appendix F; the measure is this project's own"
_SOULCHAT = "after SoulChat, section 1 (empathy, listening, comfort); the measure is this project's own"
_CUES = "Cues, not understanding: forms of words were counted, and people say the same in other words."
_AGAINST = "On the half of Psy-Insight's labelled sessions that the cues were not tuned on (one main act is labelled), "
_LENGTH = "Longer utterances have room for more cues."
_FRAGMENTS = (
    "Psy-Insight's sessions are often parts of one, so that their first and last utterances may stand in mid-talk."
)
_OF_COUNSELOR = "share of counselor utterances"


def _ratio(
    key: str, name: str, unit: str, definition: str, source: str, caveat: str, numerator: str, denominator: str
) -> Ratio:
    metric = Metric(
        key=key, name=name, group=Group.HUMAN, unit=unit, definition=definition, source=source, caveat=caveat
    )
    return Ratio(metric=metric, numerator=numerator, denominator=denominator)


def _share(act: Act, name: str, definition: str, source: str, caveat: str = f"{_CUES} {_LENGTH}") -> Ratio:
    """The share of counselor utterances with a cue of the act."""
    return _ratio(
        f"counselor_{act}", name, _OF_COUNSELOR, definition, source, caveat, f"counselor_{act}", "counselor_utterances"
    )


RATIOS: tuple[Ratio, ...] = (
    _ratio(
        "counselor_sentences_per_utterance",
        "Sentences a counselor utterance",
        "sentences",
        "Sentences of counselor utterances, divided by counselor utterances.",
        _OWN,
        "",
        "counselor_sentences",
        "counselor_utterances",
    ),
    _ratio(
        "client_sentences_per_utterance",
        "Sentences a client utterance",
        "sentences",
        "Sentences of client utterances, divided by client utterances.",
        _OWN,
        "",
        "client_sentences",
        "client_utterances",
    ),
    _ratio(
        "counselor_share_of_characters",
        "What the counselor says of all",
        "share of characters",
        "Characters of counselor utterances, divided by those of all utterances.",
        _SOULCHAT,
        "A client's first message that is a whole post lowers it.",
        "counselor_characters",
        "characters",
    ),
    _share(
        Act.ASK,
        "Counselor utterances that ask",
        "Share with a question mark, a question particle or a request to tell more.",
        _EXPERTS,
        f"{_LENGTH} {_AGAINST}precision is 0.86 and recall 0.94 in Chinese, 0.94 and 0.95 in English.",
    ),
    _ratio(
        "counselor_ends_asking",
        "Counselor utterances that end with a question",
        _OF_COUNSELOR,
        "Share whose last character is a question mark, closing quotes and brackets aside: the word is handed back.",
        _EXPERTS,
        "A question without its mark is missed.",
        "counselor_ends_asking",
        "counselor_utterances",
    ),
    _share(
        Act.ADVISE,
        "Counselor utterances that advise",
        "Share with a form of advice or suggestion, such as 建议你, 不妨, you could try.",
        _EXPERTS,
        f"{_CUES} {_LENGTH} {_AGAINST}precision is 0.27 and recall 0.33 in Chinese; English has 12 labels, and none agrees.",
    ),
    _ratio(
        "counselor_only_advises",
        "Counselor utterances that advise only",
        _OF_COUNSELOR,
        "Share with a form of advice and neither a question nor a reflection: problem-solving without exploration.",
        _EXPERTS,
        _CUES,
        "counselor_only_advises",
        "counselor_utterances",
    ),
    _share(
        Act.REFLECT,
        "Counselor utterances that reflect",
        "Share that gives back what the client feels or said, such as 听起来, 你似乎, it sounds like.",
        _EXPERTS,
        f"{_CUES} Most reflections carry no such form. {_AGAINST}precision is 0.56 and recall 0.24 in Chinese, 0.41 and "
        "0.17 in English.",
    ),
    _share(
        Act.ENCOURAGE,
        "Counselor utterances that affirm or reassure",
        "Share with praise or reassurance, such as 加油, 相信你能, 没关系, you're doing well.",
        _SOULCHAT,
        f"{_CUES} {_LENGTH} {_AGAINST}precision is 0.09 and recall 0.12 in Chinese (26 labels), 0.16 and 0.18 in English.",
    ),
    _share(
        Act.UNDERSTAND,
        "Counselor utterances that claim to understand",
        "Share with a formula such as 我理解你的感受 or I understand how you feel.",
        _EXPERTS,
        "It says that the formula was used, not that the empathy was shallow.",
    ),
    _share(
        Act.STAND_BY,
        "Counselor utterances that promise to be there",
        "Share with a formula such as 随时来找我 or I am here for you.",
        _OWN,
        "A person may say so too; it marks the register of an assistant where it is common.",
    ),
    _share(
        Act.FEELING,
        "Counselor utterances that name a feeling",
        "Share with a word for a feeling, such as 难过, 焦虑, 心情, afraid, upset.",
        _EXPERTS,
    ),
    _ratio(
        "client_feeling",
        "Client utterances that name a feeling",
        "share of client utterances",
        "Share with a word for a feeling, from the same list as the counselor's.",
        _EXPERTS,
        f"{_CUES} {_LENGTH}",
        "client_feeling",
        "client_utterances",
    ),
    _ratio(
        "client_ask",
        "Client utterances that ask",
        "share of client utterances",
        "Share with a question mark, a question particle or a request: a client who interviews the counselor.",
        _OWN,
        _CUES,
        "client_ask",
        "client_utterances",
    ),
    _ratio(
        "first_counselor_advises",
        "Advice at once",
        "share of dialogues",
        "Share of dialogues whose first counselor utterance holds a form of advice.",
        _EXPERTS,
        f"{_CUES} {_FRAGMENTS}",
        "first_counselor_advises",
        "dialogues_with_counselor",
    ),
    _ratio(
        "first_counselor_asks",
        "A question at once",
        "share of dialogues",
        "Share of dialogues whose first counselor utterance asks.",
        _EXPERTS,
        f"{_CUES} {_FRAGMENTS}",
        "first_counselor_asks",
        "dialogues_with_counselor",
    ),
    _ratio(
        "dialogues_with_advice",
        "Dialogues with advice",
        "share of dialogues",
        "Share of dialogues where at least one counselor utterance holds a form of advice.",
        _EXPERTS,
        f"{_CUES} Longer dialogues have room for more of it.",
        "dialogues_with_advice",
        "dialogues_with_counselor",
    ),
    _ratio(
        "utterances_before_advice",
        "Counselor utterances before the first advice",
        "utterances",
        "Counselor utterances before the first that advises, over dialogues with advice.",
        _EXPERTS,
        f"{_CUES} Dialogues without advice are left out, and a long dialogue can wait longer.",
        "utterances_before_advice",
        "dialogues_with_advice",
    ),
    _ratio(
        "questions_before_advice",
        "Questions before the first advice",
        "utterances",
        "Counselor utterances that ask before the first that advises, over dialogues with advice: exploration first.",
        _EXPERTS,
        f"{_CUES} Dialogues without advice are left out, and a long dialogue can wait longer.",
        "questions_before_advice",
        "dialogues_with_advice",
    ),
    _ratio(
        "dialogues_with_understanding",
        "Dialogues with a claim to understand",
        "share of dialogues",
        "Share of dialogues where the counselor says 我理解你的 or the like at least once.",
        _EXPERTS,
        "Longer dialogues have room for more of it.",
        "dialogues_with_understanding",
        "dialogues_with_counselor",
    ),
    _ratio(
        "dialogues_with_standing_by",
        "Dialogues with a promise to be there",
        "share of dialogues",
        "Share of dialogues where the counselor says 随时来找我 or the like at least once.",
        _OWN,
        "Longer dialogues have room for more of it.",
        "dialogues_with_standing_by",
        "dialogues_with_counselor",
    ),
    _ratio(
        "client_thank",
        "Client utterances that thank",
        "share of client utterances",
        "Share with a word of thanks.",
        _OWN,
        "Thanks to somebody else count too.",
        "client_thank",
        "client_utterances",
    ),
    _ratio(
        "last_client_thanks",
        "Clients who part with thanks",
        "share of dialogues",
        "Share of dialogues whose last client utterance holds a word of thanks.",
        _OWN,
        _FRAGMENTS,
        "last_client_thanks",
        "dialogues_with_client",
    ),
)
"""Means over dialogues that set synthetic counselling beside human, in the order a reader wants them."""
