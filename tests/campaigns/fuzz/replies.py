"""Targets: reading and judging replies, personal data, risk words, replies forced into JSON, what is exported of them."""

from __future__ import annotations

import orjson

from analysis.corpora.messages import entry_of
from analysis.corpora.records import Record
from expander.endpoint import ReplyContent
from expander.export.formats import FORMATS, Source
from expander.judging import reading_of
from expander.structured.json_reply import labelled_text
from filters.dialogue import CorpusEntry, Dialogue, DialogueFormat, Verdict
from filters.privacy import PLACEHOLDERS, find_pii, redact
from filters.reading import REPAIRS
from filters.reply import read_reply
from filters.risk import RiskKind, find_risk, find_risk_in, level, points_to_help
from filters.rules import ALWAYS_ON, NAMES, OPTIONAL, RULES, Context, RuleSet, judge, rejections
from filters.writer import write_dialogue
from prompts import load
from tests.campaigns.fuzz.contract import Target, chosen, held
from tests.campaigns.fuzz.nasties import BYTES, LABELS, POST, REPLY, SOULCHAT_REPLY, line

_TEMPLATES = tuple(load(name) for name in ("smile", "empathy", "empathy_en"))
_CONTEXTS = tuple(Context(answer=str(POST["answer"]) * 4, template_text=template.prompt) for template in _TEMPLATES)
_OPTIONAL = frozenset(rule.name for rule in OPTIONAL)
_STRICT = RuleSet(strict=True, on=_OPTIONAL)
_LENIENT = RuleSet(on=_OPTIONAL)
_LAX = RuleSet(off=NAMES - ALWAYS_ON, min_turns=0)
_FINISHED = ("stop", None, "length", "content_filter")


def reply(data: bytes) -> None:
    """The first byte chooses template and finish reason; the rest is the reply, bad bytes as lone surrogates."""
    choice, text = (data[0] if data else 0), data[1:].decode("utf-8", "surrogateescape")
    template, context = _TEMPLATES[choice % 3], _CONTEXTS[choice % 3]
    fmt, finished = template.format, _FINISHED[choice // 3 % 4]
    reading = read_reply(text, fmt)
    held(not chosen(data) or reading == read_reply(text, fmt), "reading is a function of the text")
    held(len(reading.utterances) == len(reading.spans), "every utterance has its place")
    for start, end in reading.spans:
        held(0 <= start <= end <= len(text), "an utterance stands inside the reply")
    held({mark.name for mark in reading.marks} <= REPAIRS.keys(), "every repair has a name that is listed")
    held(all(mark.times > 0 for mark in reading.marks), "a repair is counted where it was made")
    verdicts = {}
    for name, rules in (("strict", _STRICT), ("lenient", _LENIENT), *((("lax", _LAX),) if chosen(data) else ())):
        verdict = judge(text, fmt, finish_reason=finished, context=context, rules=rules)
        verdicts[name] = verdict
        if not chosen(data):
            continue
        held(
            verdict == judge(text, fmt, finish_reason=finished, context=context, rules=rules),
            "a verdict is a function of the reply",
        )
        objections = list(rejections(text, fmt, finish_reason=finished, context=context, rules=rules))
        held((objections[0] if objections else None) == verdict.rejection, "the first objection is the verdict's")
        for objection in objections:
            held(bool(objection.reason), "an objection says why")
            held(
                objection.span is None or 0 <= objection.span.start <= objection.span.end <= len(text),
                "an objection's place is in the reply",
            )
    if verdicts["strict"].kept:
        held(
            verdicts["lenient"].kept and verdicts["strict"].dialogue == verdicts["lenient"].dialogue,
            "strict keeps what lenient keeps, alike",
        )
    if verdicts["lenient"].kept:
        _kept(verdicts["lenient"], fmt)


def _kept(verdict: Verdict, fmt: DialogueFormat) -> None:
    """What a kept reply promises: a dialogue that is valid text, and the same when read from what is written of it."""
    dialogue = verdict.dialogue
    held(dialogue is not None and bool(dialogue.utterances), "what is kept is a dialogue")
    assert dialogue is not None
    held(
        all(text and text == text.strip() for _, text in dialogue.utterances),
        "an utterance of a kept dialogue says something",
    )
    again = read_reply(write_dialogue(dialogue, fmt), fmt)
    held(again.utterances == dialogue.utterances and not again.marks, "a kept dialogue is read as it was written")
    written = reading_of(verdict, ReplyContent("", "stop", "m", 1, 1), 0)
    document = orjson.loads(written or b"null")
    for kind in ("messages", "run"):
        entry = entry_of(Record("here:1", document), kind)
        held(
            isinstance(entry, CorpusEntry) and entry.dialogue == dialogue,
            "a kept dialogue is read from its row as it was",
        )
    if chosen(written or b""):
        exported(CorpusEntry(id="a", dialogue=dialogue, place="here:1"))


def exported(entry: CorpusEntry) -> None:
    """Every export format writes rows of valid text; messages are read back as they were."""
    for name, form in FORMATS.items():
        for row in form.rows(Source(entry=entry, dialogue=entry.dialogue, system=None)):
            document = orjson.loads(orjson.dumps(row))
            if name in {"messages", "sharegpt"}:
                found = entry_of(Record("here:1", document), name)
                held(
                    isinstance(found, CorpusEntry) and found.dialogue == entry.dialogue,
                    f"{name} rows are read as they were written",
                )


def rule(data: bytes) -> None:
    """The first byte switches one rule off: that rule never objects, and every other one decides as before."""
    choice, text = (data[0] if data else 0), data[1:].decode("utf-8", "replace")
    template, context = _TEMPLATES[choice % 3], _CONTEXTS[choice % 3]
    named = RULES[choice % len(RULES)]
    whole = [objection.rule for objection in rejections(text, template.format, context=context)]
    if named.name not in ALWAYS_ON:
        rules = RuleSet(off=frozenset({named.name}))
        left = [objection.rule for objection in rejections(text, template.format, context=context, rules=rules)]
        held(left == [name for name in whole if name != named.name], "a rule that is off takes nothing else with it")
    held(len(set(whole)) == len(whole), "a rule objects once")


def privacy(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    findings = find_pii(text)
    place = 0
    for finding in findings:
        held(place <= finding.span.start < finding.span.end <= len(text), "findings stand in order, and apart")
        place = finding.span.end
    redacted = redact(text)
    held(not find_pii(redacted.text), "nothing that is found is left")
    held(redact(redacted.text).text == redacted.text, "redacting again changes nothing")
    pieces, place = [], 0
    for kind, span in redacted.findings:
        held(place <= span.start <= span.end <= len(text), "places are in the text as it came")
        pieces += [text[place : span.start], PLACEHOLDERS[kind]]
        place = span.end
    held("".join([*pieces, text[place:]]) == redacted.text, "only what was found is replaced")


def risk(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    hits = find_risk_in(text)
    held(hits == find_risk_in(text), "risk is a function of the text")
    held(all(0 <= hit.span.start < hit.span.end <= len(text) for hit in hits), "a hit stands in the text")
    held((level(hits) is RiskKind.NONE) == (not hits), "no hit, no level")
    dialogue = Dialogue(read_reply(text, _TEMPLATES[0].format).utterances)
    for finding in find_risk(dialogue):
        held(finding.span.end <= len(dialogue.utterances[finding.utterance].text), "a finding stands in its utterance")
    points_to_help(dialogue)


def forced(data: bytes) -> None:
    """A reply that a schema forced becomes labelled text that the rules read; anything else stays as it came."""
    choice, text = (data[0] if data else 0), data[1:].decode("utf-8", "replace")
    fmt = _TEMPLATES[choice % 3].format
    labelled = labelled_text(text, fmt)
    held(labelled == labelled_text(text, fmt), "a function of the text")
    held(isinstance(labelled, str), "text stays text")
    if labelled != text:
        held(bool(read_reply(labelled or "", fmt).utterances), "what was read as an object is a dialogue")
    judge(labelled, fmt)


_ALL = LABELS + BYTES
_REPLIES = tuple(
    bytes([choice]) + text.encode()
    for choice, text in (
        (0, REPLY),
        (1, SOULCHAT_REPLY),
        (3, REPLY.replace("\n", "\n\n")),
        (0, f"好的：\n{REPLY}\n\n---\n以上。"),
        (0, REPLY.replace("求助者：", "**求助者：** ")),
    )
)
_OBJECT = {"dialogue": [{"求助者": "你好", "支持者": "你好，请说"}] * 4, "last": {"求助者": "谢谢", "支持者": "不客气"}}
_PII = "我的电话13800138000，身份证11010119900307005X，邮箱a.b@c.com.cn，微信abc_123456，QQ：123456，http://a.cn/?q=1#x，6222021234567890123，010-88886666"

TARGETS = (
    Target(
        name="reply",
        promise="Never raises; verdicts are pure; strict keeps no more than lenient; what is kept is read back from all that is written of it.",
        run=reply,
        seeds=_REPLIES,
        words=_ALL,
    ),
    Target(
        name="rule",
        promise="Never raises; a rule that is off takes no other with it.",
        run=rule,
        seeds=tuple(bytes([number]) + seed[1:] for seed in _REPLIES for number in (0, 5, 9)),
        words=_ALL,
    ),
    Target(
        name="privacy",
        promise="Never raises; redaction is idempotent, and changes what it found and nothing else.",
        run=privacy,
        seeds=(_PII.encode(), _PII[:40].encode(), "加我V：abc12345".encode()),
        words=_ALL,
    ),
    Target(
        name="risk",
        promise="Never raises; pure; every hit stands in its text.",
        run=risk,
        seeds=(
            "求助者：我不想活了，想从楼上跳下去。\n支持者：请拨打热线。".encode(),
            b"I want to kill myself. I don't want to die.",
        ),
        words=(
            *_ALL,
            *(
                word.encode()
                for word in ("自杀", "割腕", "安眠药", "想死", "不想", "杀了他", "kill", "suicide", "hotline", "热线")
            ),
        ),
    ),
    Target(
        name="forced-json",
        promise="Never raises; an object of the schema becomes labelled lines, all else stays.",
        run=forced,
        seeds=(
            b"\x00" + line(_OBJECT),
            b"\x00```json\n" + line(_OBJECT) + b"\n```",
            b'\x01{"opening":{},"last":{}}',
            b'\x02{"analysis":"a","last":{"User":"a","Psychologist":"b"}}',
        ),
        words=_ALL,
    ),
)
