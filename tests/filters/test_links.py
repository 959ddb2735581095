from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.links import find_links
from filters.rules import Context, RuleSet, judge
from tests.filters.formats import SMILE, reply


def last(said: str) -> str:
    return reply().rsplit("：", 1)[0] + "：" + said


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("请看https://evil.example/x?y=1。", ["https://evil.example/x?y=1"]),
        ("网址:evil.com", ["evil.com"]),
        ("上www.abc.xyz吧", ["www.abc.xyz"]),
        ("访问 evil.top 就好", ["evil.top"]),
        ("evil.me/abc", ["evil.me/abc"]),
        ("[点这里](http://a.b/c)", ["http://a.b/c"]),
        ("<a href=//x.com>", ["x.com"]),
        ("ｗｗｗ．ｅｖｉｌ．ｃｏｍ", ["ｗｗｗ．ｅｖｉｌ．ｃｏｍ"]),
        ("weixin://dl/chat 或者 ftp://x", ["weixin://dl/chat", "ftp://x"]),
        ("[好](javascript:alert`1`)", ["javascript:alert`1`"]),
        ("please visit help.evil.io now", ["help.evil.io"]),
        ("http://[::1]/", ["http://[::1]/"]),
    ],
)
def test_a_link_is_missed(text: str, links: list[str]) -> None:
    assert [text[start:end] for start, end in find_links(text)] == links


@pytest.mark.parametrize(
    "text",
    [
        "我很 down.me too",
        "it was fine.so I left",
        "e.g. this, U.S.A. and P.S.",
        "用 node.js 和 ASP.NET",
        "Dr.Wang 说3.5分，12:30见",
        "我的邮箱是 a.b@qq.com 呢",
        "第1.2节：1/2和and/or……",
        "网址。com",
    ],
)
def test_prose_is_taken_for_a_link(text: str) -> None:
    assert find_links(text) == ()


@given(st.text(alphabet="awＷ.．:/：@-_1 。com\n", max_size=60))
def test_links_overlap_or_leave_the_text(text: str) -> None:
    spans = find_links(text)
    edges = [edge for span in spans for edge in span]
    assert edges == sorted(edges)
    assert all(0 <= start < end <= len(text) for start, end in spans)


@pytest.mark.parametrize(
    "text", ["a." * 50_000, "a" * 100_000 + ".com", "www." * 30_000, "a-" * 50_000, "1.a " * 30_000]
)
def test_a_long_text_takes_more_than_linear_time(text: str) -> None:
    start = time.process_time()
    find_links(text)
    assert time.process_time() - start < 1.0


def test_a_link_that_nobody_gave_is_kept() -> None:
    verdict = judge(last("更多帮助请点击 https://evil.example/pay。"), SMILE, context=Context(post="我睡不着"))
    assert verdict.rejection is not None
    assert verdict.rejection.rule == "foreign-link"
    assert "https://evil.example/pay" in verdict.rejection.reason
    span = verdict.rejection.span
    assert span is not None
    assert last("更多帮助请点击 https://evil.example/pay。")[span.start : span.end] == "https://evil.example/pay"


@pytest.mark.parametrize(
    "context",
    [
        Context(post="我在 https://www.Example.com/a/ 看到的"),
        Context(post="例如example.com/a/b这页"),
        Context(template_text="Point to http://example.com/a where it fits."),
    ],
)
def test_a_link_of_the_post_or_the_template_is_foreign(context: Context) -> None:
    assert judge(last("你说的 example.com/a 我也看过。"), SMILE, context=context).kept


@pytest.mark.parametrize("post", ["chat.com", "example.com.evil.io", "example.com/abc"])
def test_a_link_passes_because_the_post_has_one_like_it(post: str) -> None:
    verdict = judge(last("看 example.com/a 吧。"), SMILE, context=Context(post=f"我看过{post}了"))
    assert verdict.rejection is not None
    assert verdict.rejection.rule == "foreign-link"


def test_the_rule_cannot_be_switched_off() -> None:
    assert judge(last("看 example.com 吧。"), SMILE, rules=RuleSet(off=frozenset({"foreign-link"}))).kept
