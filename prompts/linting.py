"""Everything that is wrong or doubtful in a template file, at once.

What a prompt asks for is read by patterns (`prompts.asked`), so a file without findings is no proof. Whatever the loader
refuses is an error here: where no check saw it, the loader's own words are the finding.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import yaml
from pydantic import ValidationError

from prompts import BRACED, VARIABLES, TemplateError, _TemplateFile, parse
from prompts.findings import Finding, Places, Severity, places_of
from prompts.lint_wording import Asked, wording_findings
from prompts.yaml_errors import YAML_ERRORS

_ERROR, _WARNING = Severity.ERROR, Severity.WARNING
_QA_MARKS = {"{question}": "question", "{answer}": "answer"}
_QA_LABELS = {"{client}", "{counselor}"}
_LAYOUT = "{client}: {question}\n{counselor}: {answer}"

# What people write for a variable elsewhere: ${x}, {{x}}, { x }, <x>, %(x)s, %s, [Dialogue Topic], " + x + ".
_MARKS = re.compile(
    r"\{\{[^{}\n]{0,40}\}\}|\$\{?[A-Za-z_]\w{0,30}\}?|\{[^{}\n]{0,40}\}"
    r"|</?(?:qa|question|answer|topic|post|single_turn|user_utt|psy_utt|client|counselor)>"
    r"|%\([A-Za-z_]\w*\)s|%s|\[[A-Z][A-Za-z ]{1,40}\]|\"\s?\+\s?\w+\s?\+\s?\"",
    re.IGNORECASE,
)
_LOWER_BRACKET = re.compile(r"\[[a-z]")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """What of a file can be read although other parts of it are wrong."""

    prompt: str
    needs: str
    literal: tuple[str, ...]
    qa: str
    markers: Mapping[str, str]
    declared: bool


def lint(text: str, *, name: str) -> list[Finding]:
    """The findings in the text of a template file, by line. Never raises for any text."""
    try:
        document = yaml.safe_load(text)
        places = places_of(text)
    except YAML_ERRORS as error:
        mark = getattr(error, "problem_mark", None)
        line: int | None = None if mark is None else mark.line + 1
        problem = getattr(error, "problem", None) or "it cannot be read"
        advice = "Quote values that hold : or #, and indent with spaces."
        return [Finding("unreadable", _ERROR, line, f"not valid YAML: {problem}", advice)]
    if not isinstance(document, dict):
        advice = "Write `prompt`, `needs`, `labels` and `turns`, each with its value."
        return [Finding("unreadable", _ERROR, None, "a template file is a mapping of keys", advice)]
    found = [*_structure(document, places)]
    draft = _draft(document)
    found += _variables(draft, places)
    found += wording_findings(_asked(document, draft), places)
    if not any(each.severity is _ERROR for each in found):
        try:
            parse(text, name=name)
        except TemplateError as error:
            found.append(Finding("refused", _ERROR, None, str(error), "Put that right."))
    return sorted(found, key=lambda each: (each.line or 0, each.severity, each.name, each.message))


def _structure(document: Mapping[str, Any], places: Places) -> Iterator[Finding]:
    for key, at in places.twice:
        yield Finding(
            "key-twice", _WARNING, at, f"`{key}` was given before; only this one counts", "Leave one of them."
        )
    try:
        _TemplateFile.model_validate(document)
    except ValidationError as error:
        for problem in error.errors():
            path = problem["loc"]
            shown, line = ".".join(map(str, path)), places.line(path)
            if problem["type"] == "extra_forbidden":
                known = _keys_beside(path)
                near = get_close_matches(str(path[-1]), known, n=1)
                advice = f"Did you mean `{near[0]}`?" if near else f"Known here: {', '.join(known)}."
                yield Finding("unknown-key", _ERROR, line, f"`{shown}` is no key of a template", advice)
            elif problem["type"] == "missing":
                yield Finding("missing-key", _ERROR, line, f"`{shown}` is missing", f"Add `{path[-1]}:`.")
            else:
                wanted = re.sub(r"dictionary( or instance of \w+)?", "mapping of keys", problem["msg"])
                yield Finding("wrong-value", _ERROR, line, f"`{shown}`: {wanted}", "Give a value of that kind.")


def _keys_beside(path: tuple[str | int, ...]) -> list[str]:
    fields = _TemplateFile.model_fields
    if len(path) == 1:
        return list(fields)
    inner = getattr(fields[str(path[0])].annotation, "model_fields", {})
    return list(inner)


def _draft(document: Mapping[str, Any]) -> _Draft:
    declared = document.get("variables")
    whole = isinstance(declared, dict) and bool(declared)
    markers = (
        {str(mark): str(variable) for mark, variable in declared.items()}
        if isinstance(declared, dict) and declared
        else {f"{{{variable}}}": variable for variable in VARIABLES}
    )
    return _Draft(
        prompt=_text(document.get("prompt")),
        needs=_text(document.get("needs")),
        literal=_texts(document.get("literal")),
        qa=_text(document.get("qa"), _LAYOUT),
        markers=markers,
        declared=whole,
    )


def _asked(document: Mapping[str, Any], draft: _Draft) -> Asked:
    labels, turns = document.get("labels"), document.get("turns")
    labels = labels if isinstance(labels, dict) else {}
    turns = turns if isinstance(turns, dict) else {}
    client, counselor = _texts(labels.get("client")), _texts(labels.get("counselor"))
    uses_qa = any(variable == "qa" and mark in draft.prompt for mark, variable in draft.markers.items())
    return Asked(
        prompt=draft.prompt,
        system=_text(document.get("system")),
        qa=draft.qa.replace("{client}", (*client, "")[0]).replace("{counselor}", (*counselor, "")[0])
        if uses_qa
        else "",
        own_layout="qa" in document,
        client=client,
        counselor=counselor,
        least=_whole(turns.get("min")),
        most=_whole(turns.get("max")),
        opens_with=_text(document.get("opens_with")),
        closes_with=_text(document.get("closes_with")),
        preamble=document.get("preamble") is True,
        english=document.get("language") == "en",
    )


def _text(value: object, otherwise: str = "") -> str:
    return value if isinstance(value, str) else otherwise


def _texts(value: object) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _variables(draft: _Draft, places: Places) -> Iterator[Finding]:
    """The variables of the prompt and of the post's layout, held against what the template needs."""
    used = {variable for mark, variable in draft.markers.items() if mark in draft.prompt}
    yield from _marks(draft.prompt, ("prompt",), draft.markers, draft.literal, places)
    wanted = {variable for variable, need in VARIABLES.items() if need == draft.needs}
    named = ", ".join(mark for mark, variable in draft.markers.items() if variable in wanted)
    if draft.prompt and wanted and not used & wanted:
        advice = f"Put {named or 'it'} where it belongs, or set `needs: nothing`."
        message = f"the prompt uses nothing of what it needs ({draft.needs})"
        yield Finding("missing-variable", _ERROR, places.line(("prompt",)), message, advice)
    if draft.needs in {"qa", "topic", "nothing"}:
        for mark, variable in draft.markers.items():
            if variable in used - wanted and mark in draft.prompt:
                line = places.line_of(("prompt",), draft.prompt, draft.prompt.index(mark))
                need = VARIABLES.get(variable, "nothing")  # type: ignore[call-overload]
                message = f"{mark} is given only with `needs: {need}`; this template says `needs: {draft.needs}`"
                yield Finding("foreign-variable", _ERROR, line, message, f"Set `needs: {need}`, or take {mark} out.")
    if draft.declared:
        for mark in draft.markers:
            if draft.prompt and mark not in draft.prompt:
                message = f"{mark} is declared, and the prompt does not have it"
                advice = "Correct its spelling (capitals and spaces count), or take the line out."
                yield Finding("unused-mark", _WARNING, places.line(("variables", mark)), message, advice)
    if "qa" in used:
        yield from _marks(draft.qa, ("qa",), _QA_MARKS, (*draft.literal, *_QA_LABELS), places)
    if draft.needs == "qa" and used & wanted:
        yield from _halves(draft, used, places)


def _halves(draft: _Draft, used: set[str], places: Places) -> Iterator[Finding]:
    """Whether the question and the answer each go out once."""
    for half in ("question", "answer"):
        by_layout = "qa" in used and f"{{{half}}}" in draft.qa
        times = sum(draft.prompt.count(mark) for mark, variable in draft.markers.items() if variable == half)
        if by_layout:
            times += sum(draft.prompt.count(mark) for mark, variable in draft.markers.items() if variable == "qa")
        key = "qa" if "qa" in used and not by_layout else "prompt"
        line = places.line((key,)) or places.line(("prompt",))
        if times == 0:
            message, advice = f"the post's {half} is never sent", f"Put {{{half}}} in, unless that is meant."
            yield Finding("half-a-post", _WARNING, line, message, advice)
        elif times > 1:
            message, advice = f"the post's {half} is sent {times} times", "Keep one of them: each costs its tokens."
            yield Finding("post-twice", _WARNING, line, message, advice)


def _marks(
    text: str, path: tuple[str, ...], markers: Mapping[str, str], literal: tuple[str, ...], places: Places
) -> Iterator[Finding]:
    """What is written like a variable and is none, each once."""
    seen: set[str] = set()
    # {{qa}} is a variable in braces that would be sent: found before the marker inside it is taken out.
    taken = re.compile("|".join(re.escape(mark) for mark in sorted(markers, key=len, reverse=True)) or r"(?!)")
    spans = [found.span() for found in taken.finditer(text)]
    for found in _MARKS.finditer(text):
        mark = found[0]
        if mark in seen or mark in literal or mark in markers or _LOWER_BRACKET.match(mark):
            continue
        if any(start <= found.start() and found.end() <= end for start, end in spans):
            continue
        seen.add(mark)
        line = places.line_of(path, text, found.start())
        meant = _meant(mark, markers)
        if BRACED.fullmatch(mark):
            advice = f"Write {meant}." if meant else f"Known here: {', '.join(markers)}."
            advice += " If it is meant as text, list it under `literal:`."
            yield Finding("unknown-variable", _ERROR, line, f"{mark} is no variable here", advice)
        else:
            advice = (f"Write {meant}" if meant else "Write a variable, or map the mark under `variables:`") + (
                "; if it is meant as text, list it under `literal:`."
            )
            yield Finding(
                "leftover-mark", _WARNING, line, f"{mark} looks like a variable, and is sent as it stands", advice
            )


def _meant(mark: str, markers: Mapping[str, str]) -> str | None:
    """The variable that a near miss means: {QA}, {{qa}}, ${qa}, <qa>, [Dialogue Topic]."""
    bare = re.sub(r"[^a-z]", "", mark.lower())
    names = {re.sub(r"[^a-z]", "", known.lower()): known for known in markers}
    if bare in names:
        return names[bare]
    held = [known for name, known in names.items() if name and name in bare]
    near = get_close_matches(bare, list(names), n=1)
    return held[0] if held else names[near[0]] if near else None
