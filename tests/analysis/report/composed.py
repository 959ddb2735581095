"""Small corpora in memory for the tests of what reports are composed from."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.lexical.tokenizers import language_of, tokenizer_for
from analysis.lexical.tokenizing import tokens_of
from analysis.report.inputs import CorpusInput
from analysis.report.sections import Prepared
from filters.dialogue import CorpusEntry, Dialogue
from tests.analysis.making import CLIENT_SAYS, COUNSELOR_SAYS, dialogue


def talk(number: int, turns: int = 4) -> Dialogue:
    """A Chinese dialogue unlike those of other numbers."""
    said = []
    for turn in range(turns):
        said.append(f"{CLIENT_SAYS[(turn + number) % 6]}这是第{number}天。")
        said.append(f"{COUNSELOR_SAYS[(turn * 5 + number) % 6]}第{number}次谈话。")
    return dialogue(*said)


def entry(number: int, said: Dialogue, post: str | None = None) -> CorpusEntry:
    extra = {} if post is None else {"provenance": {"post_id": post}}
    return CorpusEntry(id=str(number), dialogue=said, place=f"memory:{number}", extra=extra)


def corpus(name: str, entries: Sequence[CorpusEntry], *, human: bool = False, **more: object) -> CorpusInput:
    return CorpusInput(name=name, file=f"{name}.jsonl", kind="messages", human=human, entries=entries, **more)  # type: ignore[arg-type]


def of_posts(name: str, posts: Sequence[str], *, human: bool = False, start: int = 0) -> CorpusInput:
    """A dialogue a post, in that order."""
    made = [entry(number, talk(number + start), post) for number, post in enumerate(posts)]
    return corpus(name, made, human=human, posts={post: f"关于{post}的问题" for post in posts})


def prepared(given: CorpusInput) -> Prepared:
    language = language_of(given.dialogues)
    tokenizer = tokenizer_for(language)
    return Prepared(
        input=given,
        dialogues=given.dialogues,
        language=language,
        tokenizer=tokenizer,
        tokens={tokenizer: tokens_of(given.dialogues, tokenizer)},
    )
