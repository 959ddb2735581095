"""Personal data in a post, found by validators and replaced before the post leaves the machine.

A finding holds kind and place, never the text. Found are Chinese mobile and landline numbers, resident IDs with their
check digit, bank cards by Luhn, QQ and WeChat by a cue word, e-mail addresses, URLs. Not found are names, addresses and
whatever else `privacy_words.yaml` lists under its limits: redaction lowers the risk, and does not make a post anonymous.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from filters.dialogue import Span
from filters.digit_runs import DIGIT, FULL_WIDTH, find_numbers, is_mobile


class PiiKind(StrEnum):
    """What was found."""

    MOBILE = "mobile"
    LANDLINE = "landline"
    ID_CARD = "id-card"
    BANK_CARD = "bank-card"
    QQ = "qq"
    WECHAT = "wechat"
    EMAIL = "email"
    URL = "url"


PLACEHOLDERS: Mapping[PiiKind, str] = {
    PiiKind.MOBILE: "〔手机号〕",
    PiiKind.LANDLINE: "〔座机号〕",
    PiiKind.ID_CARD: "〔身份证号〕",
    PiiKind.BANK_CARD: "〔银行卡号〕",
    PiiKind.QQ: "〔QQ号〕",
    PiiKind.WECHAT: "〔微信号〕",
    PiiKind.EMAIL: "〔邮箱〕",
    PiiKind.URL: "〔网址〕",
}
"""What stands in the text instead. Tortoise-shell brackets are rare in posts, and no kind can be found across one."""


class PiiFinding(NamedTuple):
    """What kind of personal data stands where. Holds no text, so that it may be stored."""

    kind: PiiKind
    span: Span


class Redacted(NamedTuple):
    """A text without what was found in it; the findings' places are in the text as it came."""

    text: str
    findings: tuple[PiiFinding, ...]


# Every kind holds three of these in a row, and most clean posts do not.
_PLAIN = r"A-Za-z0-9０-９@＠._\-"
_ANYTHING = re.compile(f"[{_PLAIN}][{_PLAIN}][{_PLAIN}]")
_DOT = re.compile(r"[.@＠][A-Za-z0-9]")
_WORD = r"A-Za-z0-9_%+\-"
_TOKEN = re.compile(rf"(?<![{_WORD}])[{_WORD}]++(?:[.@＠][{_WORD}]++)+")
_EMAIL = re.compile(r"[A-Za-z0-9_%+\-.]{1,64}[@＠](?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}", re.ASCII)
_IN_URL = r"[!#-&(-;=?-~]"
_SCHEME = re.compile(rf"(?i:https?|ftp)[:：]//{_IN_URL}++")
_REST_OF_URL = re.compile(rf"(?::[0-9]{{1,5}})?(?:[/?#]{_IN_URL}*+)?")
_LAST_OF_URL = ".,;:!?)]}*"
# Domains that are also words after a full stop without a space (top, club, me) need a scheme or www.
_BARE_DOMAIN = re.compile(
    r"(?i)[a-z0-9][a-z0-9.-]{0,99}\.(?:com|cn|net|org|edu|gov|io|cc|xyz|vip|tv|hk|tw|jp|uk|kr|de|eu|info|wang|ltd|ink)"
)
_CUES = re.compile(
    r"(?P<wechat>(?:[微薇徽威]信|(?<![A-Za-z])(?:[Vv][Xx]|[Ww][Xx]|[Ww]e[Cc]hat|[Ww]ei[Xx]in)|[Vv]信)(?:同号)?"
    r"|(?:加我?[➕+＋]?|[➕+＋]\s?)[微薇VvWw]|(?<![A-Za-z0-9])[Vv](?=\s?[:：]))"
    r"|(?P<qq>(?<![A-Za-z])[Qq]{2}|扣扣|企鹅|球球|(?<![A-Za-z])[Qq](?=\s?(?:[:：号]|是[0-9]))|(?<![A-Za-z])[Ｑｑ]{2})"
)
# Tried only at these: the pattern of cues alone would be tried at every character.
_CUE_STARTS = re.compile("[微薇徽威VvWw加➕+＋QqＱｑ扣企球]")
_AFTER_CUE = re.compile(
    r"(?P<named>\s?(?:群号|群|账号|帐号|号码|号|(?i:id|number|account)))?(?P<link>[\s:：=为是叫→➕,，\-–—(（【\[“\"'’+]{0,6}(?:is\s{1,3}|ID[:：]?)?)"
)
_WECHAT_ID = re.compile(r"[A-Za-z][A-Za-z0-9_-]{5,19}(?![A-Za-z0-9_-])")
_NUMBER = re.compile(rf"[{DIGIT}]{{5,11}}(?![{DIGIT}])(?![.．][{DIGIT}])")
_SPACED_MOBILE = re.compile(rf"1[{DIGIT}]{{2}}[- ][{DIGIT}]{{4}}[- ][{DIGIT}]{{4}}(?![{DIGIT}])")
_TELLING = re.compile(r"[0-9_-]")
_COUNTED = ("元", "块", "万", "人", "步", "个", "条", "次", "年", "天", "分", "%", "％")


def find_pii(text: str) -> tuple[PiiFinding, ...]:
    """Personal data in order of place, none overlapping another; where two kinds claim a place, the more specific one has it.

    In time proportional to the text; never raises.
    """
    if not _ANYTHING.search(text):
        return ()
    numbers = [PiiFinding(PiiKind(kind), span) for kind, span in find_numbers(text)]
    # An ID or a card is proven by its check digit, whatever stands before it; a mobile number may be a WeChat account.
    proven = [number for number in numbers if number.kind in {PiiKind.ID_CARD, PiiKind.BANK_CARD}]
    claims = dict.fromkeys([*_addresses(text), *proven, *_accounts(text), *numbers])
    if not claims:
        return ()
    taken = bytearray(len(text))
    found = []
    for claim in claims:
        start, end = claim.span
        if taken.find(1, start, end) < 0:
            taken[start:end] = b"\x01" * (end - start)
            found.append(claim)
    return tuple(sorted(found, key=lambda finding: finding.span))


def redact(text: str) -> Redacted:
    """The text with a placeholder for each finding. Redacting it once more changes nothing.

    What one replacement brings to light is replaced as well, so nothing `find_pii` knows is left.
    """
    findings: list[PiiFinding] = []
    redacted = text
    while found := find_pii(redacted):
        more = [PiiFinding(kind, _in_original(findings, span)) for kind, span in found]
        findings = sorted([*findings, *more], key=lambda finding: finding.span)
        redacted = _replaced(text, findings)
    return Redacted(redacted, tuple(findings))


def _replaced(text: str, findings: list[PiiFinding]) -> str:
    pieces = []
    place = 0
    for kind, span in findings:
        pieces += [text[place : span.start], PLACEHOLDERS[kind]]
        place = span.end
    return "".join([*pieces, text[place:]])


def _in_original(earlier: list[PiiFinding], span: Span) -> Span:
    """A place in the redacted text, which no placeholder overlaps, as a place in the original."""
    grown = 0
    for kind, taken in earlier:
        if span.start <= taken.start + grown:
            break
        grown += len(PLACEHOLDERS[kind]) - (taken.end - taken.start)
    return Span(span.start - grown, span.end - grown)


def _addresses(text: str) -> Iterator[PiiFinding]:
    if "//" in text:
        for found in _SCHEME.finditer(text):
            yield PiiFinding(PiiKind.URL, Span(found.start(), _without_punctuation(text, found.start(), found.end())))
    if not _DOT.search(text):
        return
    for token in _TOKEN.finditer(text):
        start, end = token.span()
        if "@" in token[0] or "＠" in token[0]:
            for found in _EMAIL.finditer(text, start, end):
                yield PiiFinding(PiiKind.EMAIL, Span(*found.span()))
        elif _is_a_host(token[0]):
            rest = _REST_OF_URL.match(text, end)
            yield PiiFinding(PiiKind.URL, Span(start, _without_punctuation(text, start, rest.end() if rest else end)))


def _is_a_host(token: str) -> bool:
    www = token[:4].lower() == "www." and len(token) > len("www.")
    return www or _BARE_DOMAIN.fullmatch(token) is not None


def _without_punctuation(text: str, start: int, end: int) -> int:
    while end > start and text[end - 1] in _LAST_OF_URL:
        end -= 1
    return end


def _accounts(text: str) -> Iterator[PiiFinding]:
    for first in _CUE_STARTS.finditer(text):
        cue = _CUES.match(text, first.start())
        if cue is None:
            continue
        after = _AFTER_CUE.match(text, cue.end())
        start = after.end() if after else cue.end()
        said = bool(after and (after["named"] or after["link"].strip(" \t-–—(（,，")))
        # "v：" alone may be anything; the account must then hold a digit.
        said = said and len(cue[0]) > 1
        kind = PiiKind.WECHAT if cue.lastgroup == "wechat" else PiiKind.QQ
        end = _account_end(text, start, kind, said=said)
        if end is not None:
            yield PiiFinding(kind, Span(start, end))


def _account_end(text: str, start: int, kind: PiiKind, *, said: bool) -> int | None:
    """Where an account ends that starts here. Without a word such as 号 or ： before it, letters alone are a word."""
    number = _NUMBER.match(text, start) or (_SPACED_MOBILE.match(text, start) if kind is PiiKind.WECHAT else None)
    if number:
        digits = number[0].translate(FULL_WIDTH)
        unlikely = digits.startswith("0") or text.startswith(_COUNTED, number.end())
        if unlikely or (kind is PiiKind.QQ and is_mobile(digits)):
            return None
        return number.end()
    if kind is PiiKind.QQ:
        return None
    named = _WECHAT_ID.match(text, start)
    return named.end() if named and (said or _TELLING.search(named[0])) else None
