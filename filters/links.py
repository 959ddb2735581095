"""Links in what a dialogue says, and those that nobody gave the model.

A link is an address that a reader, or a program that shows the text, would open: anything with a scheme and `//`, `www.`,
`javascript:` and `data:` URLs, and a bare domain. E-mail addresses and accounts are none (`filters.privacy` knows those).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from filters.case import Case, Finding
from filters.dialogue import Span

_HINT = re.compile(r"[.:．：][A-Za-z0-9/Ａ-Ｚａ-ｚ０-９／]|[Ww．Ｗｗ]{3}")
# Full-width letters, digits and signs have one narrow form each, so places stay as they are.
_NARROW = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)}
_IN_URL = r"[!#-&(-;=?-~]"
_SCHEME = re.compile(rf"(?i:[a-z][a-z0-9+.-]{{1,15}}://{_IN_URL}++|javascript:{_IN_URL}++|data:[a-z]+/{_IN_URL}++)")
_LETTER = r"A-Za-z0-9_\-"
# No @ before it: that is an e-mail address.
_HOST = re.compile(
    rf"(?<![{_LETTER}@.])(?:[A-Za-z0-9](?:[A-Za-z0-9_-]{{0,61}}[A-Za-z0-9])?\.){{1,8}}(?P<top>[A-Za-z][A-Za-z0-9-]{{1,23}})(?![{_LETTER}@])"
)
_REST = re.compile(rf"(?::[0-9]{{1,5}})?(?:[/?#]{_IN_URL}*+)?")
_PATH = re.compile(r"(?::[0-9]{1,5})?/[!#-&(-;=?-~]")
_LAST = ".,;:!?)]}*'\""

# From the root zone: what shared links end in, in Chinese and English texts. Not those that are words or file endings.
_DOMAINS = frozenset(
    [
        "com",
        "net",
        "org",
        "edu",
        "gov",
        "cn",
        "hk",
        "tw",
        "mo",
        "jp",
        "kr",
        "sg",
        "uk",
        "eu",
        "de",
        "fr",
        "ru",
        "nl",
        "io",
        "ai",
        "cc",
        "tv",
        "vip",
        "xyz",
        "info",
        "biz",
        "ltd",
        "ink",
        "icu",
        "cyou",
        "website",
        "asia",
        "mobi",
        "tech",
        "ly",
        "gl",
        "gd",
        "gg",
    ]
)
# Words of English too: after a full stop without a space they are prose, unless a path follows or no Latin word is near.
_WORDS = frozenset(
    [
        "top",
        "club",
        "me",
        "site",
        "online",
        "shop",
        "store",
        "app",
        "link",
        "live",
        "fun",
        "pro",
        "space",
        "work",
        "one",
        "co",
        "so",
        "to",
        "in",
        "is",
        "it",
        "my",
        "us",
        "am",
        "at",
        "be",
        "life",
        "world",
        "help",
        "care",
        "chat",
        "click",
        "win",
        "men",
        "love",
        "today",
        "now",
        "page",
        "blog",
        "wiki",
        "group",
        "team",
        "email",
        "plus",
        "zone",
        "cloud",
        "red",
        "ren",
        "art",
        "wang",
    ]
)
# Products that are spelt like domains; none of them is an address that a model would lead a reader to.
_NAMES = frozenset({"asp.net", "vb.net", "ado.net"})
_TITLES = ("mr.", "mrs.", "ms.", "dr.", "prof.", "st.")


def find_links(text: str) -> tuple[Span, ...]:
    """Where links stand, in order, none overlapping another. In time proportional to the text; never raises."""
    if not _HINT.search(text):
        return ()
    narrow = text.translate(_NARROW)
    spans = [Span(found.start(), _end(narrow, found.start(), found.end())) for found in _SCHEME.finditer(narrow)]
    taken = 0
    found_all = []
    for span in sorted([*spans, *_hosts(narrow)]):
        if span.start >= taken:
            found_all.append(span)
            taken = span.end
    return tuple(found_all)


def _hosts(text: str) -> Iterator[Span]:
    for found in _HOST.finditer(text):
        top = found["top"].lower()
        host = found[0].lower()
        www = host.startswith("www.")
        xn = top.startswith("xn--")
        near = top in _WORDS and (_PATH.match(text, found.end()) or not _prose(text, *found.span()))
        if host not in _NAMES and (www or xn or top in _DOMAINS or near):
            rest = _REST.match(text, found.end())
            yield Span(found.start(), _end(text, found.start(), rest.end() if rest else found.end()))


def _prose(text: str, start: int, end: int) -> bool:
    """Whether it may be two words around a full stop: a Latin word stands beside it, spaces aside, or a title begins it."""
    if text[start:end].lower().startswith(_TITLES):
        return True
    before, after = text[max(0, start - 3) : start].rstrip(), text[end : end + 3].lstrip()
    return (before[-1:].isascii() and before[-1:].isalpha()) or (after[:1].isascii() and after[:1].isalpha())


def _end(text: str, start: int, end: int) -> int:
    while end > start and text[end - 1] in _LAST:
        end -= 1
    return end


def foreign_link(case: Case) -> Finding | None:
    """A link that stands neither in the post nor in the template. A post's links are taken out before it is sent, so what
    is left is invented by the model, or was planted by a post that commands it.
    """
    text = case.text
    if not _HINT.search(text):
        return None
    known: frozenset[str] | None = None
    for place, (_, said) in enumerate(case.reading.utterances):
        for span in find_links(said):
            if known is None:
                known = _known(case.context.post, case.context.template_text)
            if not _given(_bare(said[span.start : span.end]), known):
                return Finding(
                    f"utterance {place + 1} holds a link that is not in the post: {said[span.start : span.end][:60]}",
                    case.span(place, span.start, span.end),
                )
    return None


def _known(*texts: str | None) -> frozenset[str]:
    return frozenset(_bare(text[span.start : span.end]) for text in texts if text for span in find_links(text))


def _bare(link: str) -> str:
    """The link without what may be written or left out: scheme of the web, www., case, a slash at the end."""
    folded = unicodedata.normalize("NFKC", link).casefold()
    return re.sub(r"\A(?:https?://)?(?:www\.)?", "", folded).rstrip("/")


def _given(link: str, known: frozenset[str]) -> bool:
    """Whether this link, or a longer one that it begins, was given."""
    return link in known or any(each.startswith((f"{link}/", f"{link}?", f"{link}#")) for each in known)
