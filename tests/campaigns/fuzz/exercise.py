"""Runs what makes patterns at run time, once."""

from __future__ import annotations

from analysis.human.cues import acts_of
from analysis.lexical.fast_jieba import _parting
from analysis.words.stop_words import content_word
from expander.echoes import Echoes
from expander.offline.rewriter import rewrite
from prompts import Values, load
from tests.campaigns.fuzz.contract import failure
from tests.campaigns.fuzz.nasties import POST


def exercise() -> None:
    """Every target's seeds, and the makers that no target reaches."""
    from tests.campaigns.fuzz.targets import TARGETS

    for target in TARGETS.values():
        for seed in target.seeds:
            failure(target, seed, seconds=10.0)
    acts_of("你愿意多说一点吗？ How about a walk?")
    content_word("第三个")
    _parting()
    Echoes(['a"secret/of-many'])
    values = Values(question=str(POST["question"]), answer=f"求助者：{POST['answer']}", topic="失眠")
    for name in ("smile", "empathy", "empathy_en", "standardT"):
        rewrite(load(name).render(values), 1)
