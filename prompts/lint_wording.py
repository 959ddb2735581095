"""A template's wording held against its own format: labels, turns, who begins and ends, what stands before the dialogue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from filters.dialogue import Role
from filters.labels import ALIASES, COLONS
from prompts import asked
from prompts.findings import Finding, Places, Severity

_ERROR, _WARNING = Severity.ERROR, Severity.WARNING
_PROMPT = ("prompt",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A template's texts and its format, as far as the file says them: empty or None where it does not."""

    prompt: str
    system: str
    qa: str
    """The post's layout with the labels in it; empty where the prompt does not use it."""
    own_layout: bool
    """Whether the file gives the layout itself."""
    client: tuple[str, ...]
    counselor: tuple[str, ...]
    least: int | None
    most: int | None
    opens_with: str
    closes_with: str
    preamble: bool
    english: bool


def wording_findings(given: Asked, places: Places) -> Iterator[Finding]:
    """All findings on labels and on what the prompt promises, in no order."""
    yield from _shapes(given, places)
    yield from _between(given, places)
    if not given.prompt:
        return
    known = asked.roles_of(given.client, given.counselor)
    yield from _named(given, known, places)
    yield from _colons(given, known, places)
    yield from _turns(given, places)
    for key, stated, positions, name in (
        ("opens_with", given.opens_with, asked.opening, "opening-contradicted"),
        ("closes_with", given.closes_with, asked.closing, "closing-contradicted"),
    ):
        for found in positions(given.prompt, known):
            if stated in set(Role) and stated != found.role:
                line = places.line_of(_PROMPT, given.prompt, found.start)
                message = f"the prompt says {found.words!r}, which is the {found.role}; `{key}` is {stated}"
                yield Finding(name, _ERROR, line, message, f"Set `{key}: {found.role}`, or change the prompt.")
    if not given.preamble and (analysis := asked.analysis(given.prompt)):
        line = places.line_of(_PROMPT, given.prompt, analysis.start())
        message = (
            f"the prompt asks for words before the dialogue ({analysis[0]!r}), and the rule `preamble` rejects them"
        )
        yield Finding("analysis-not-allowed", _WARNING, line, message, "Set `preamble: true`.")
    if not given.english and (english := asked.english(given.prompt)):
        line = places.line_of(_PROMPT, given.prompt, english.start())
        message = f"the prompt asks for English ({english[0]!r}), and the rule `english-ending` rejects it"
        yield Finding("english-not-allowed", _WARNING, line, message, "Set `language: en`.")


def _shapes(given: Asked, places: Places) -> Iterator[Finding]:
    for role, labels in ((Role.CLIENT, given.client), (Role.COUNSELOR, given.counselor)):
        for place, label in enumerate(labels):
            line = places.line(("labels", role.value, place))
            where = f"labels.{role}"
            if not label.strip():
                yield Finding("label-shape", _ERROR, line, f"{where} has an empty label", "Give it a name.")
            elif any(colon in label for colon in COLONS) or "\n" in label:
                message = f"{where}: {label!r} holds a colon or a line break, so no line can begin with it"
                yield Finding("label-shape", _ERROR, line, message, "Write the name alone: both colons are accepted.")
            elif not label.isprintable() or label != label.strip():
                message = f"{where}: {label!r} has signs around or in it that nobody sees"
                yield Finding("label-shape", _ERROR, line, message, "Type it again.")


def _between(given: Asked, places: Places) -> Iterator[Finding]:
    """The labels of the two speakers held against each other, and against what a reading knows anyway."""
    line = places.line(("labels",))
    folded = [label.strip().casefold() for label in (*given.client, *given.counselor) if label.strip()]
    for label in dict.fromkeys(label for label in folded if folded.count(label) > 1):
        message = f"{label!r} stands for both speakers, or twice (capitals do not count)"
        yield Finding("shared-label", _ERROR, line, message, "Give each speaker labels of their own.")
    for one, others in ((given.client, given.counselor), (given.counselor, given.client)):
        for short in one:
            for long in others:
                if short.strip() and long != short and long.casefold().startswith(short.casefold()):
                    message = f"{short!r} begins {long!r}, the other speaker's label"
                    advice = "Take names that do not begin alike: a model that breaks one off speaks for the other."
                    yield Finding("label-prefix", _WARNING, line, message, advice)
    for role, labels in ((Role.CLIENT, given.client), (Role.COUNSELOR, given.counselor)):
        other = Role.COUNSELOR if role is Role.CLIENT else Role.CLIENT
        names = {name.casefold() for name in ALIASES[other]}
        for place, label in enumerate(labels):
            if label.casefold() in names:
                line = places.line(("labels", role.value, place))
                message = f"{label!r} is a usual name of the {other}, and stands under labels.{role}"
                yield Finding("crossed-label", _WARNING, line, message, "Check that the two are not exchanged.")


def _named(given: Asked, known: Mapping[str, Role], places: Places) -> Iterator[Finding]:
    """Labels that the prompt prints, held against those that the format accepts."""
    accepted = {_seen(label).casefold() for label in (*given.client, *given.counselor)}
    if not accepted:
        return
    said = f"{given.prompt}\n{given.system}\n{given.qa}"
    missing = {
        role: labels[0]
        for role, labels in ((Role.CLIENT, given.client), (Role.COUNSELOR, given.counselor))
        if labels and _seen(labels[0]) not in said
    }
    strangers: dict[str, asked.Label] = {}
    for label in asked.labels(given.prompt):
        name = label.text.casefold()
        if name not in accepted and (label.quoted or name in known):
            strangers.setdefault(name, label)
    for name, label in strangers.items():
        line = places.line_of(_PROMPT, given.prompt, label.start)
        role = known.get(name)
        if role is not None:
            message = f"the prompt writes {label.text + label.colon!r}, which labels.{role} does not have"
            advice = f"Add {label.text!r} to labels.{role}: else each use counts as a repair, and --strict rejects it."
            yield Finding("label-not-accepted", _WARNING, line, message, advice)
        else:
            # Where a speaker's label is missing, this is what the model will write instead.
            severity = _ERROR if missing else _WARNING
            message = f"the prompt writes {label.text + label.colon!r}, and no speaker has that label"
            advice = "Add it under `labels:` if it is a speaker; a line that begins so is rejected."
            yield Finding("label-not-accepted", severity, line, message, advice)
    for role, label_text in missing.items():
        message = f"neither the prompt nor the post's layout says {label_text!r}, the first of labels.{role}"
        advice = "Write in the prompt how each line begins, or put the label that it names first."
        yield Finding("label-not-asked", _WARNING, places.line(("labels", role.value)), message, advice)


def _seen(label: str) -> str:
    """A label as a reader sees it: what `label-shape` objects to is said once."""
    return "".join(filter(str.isprintable, label)).strip(f"{COLONS} ")


def _colons(given: Asked, known: Mapping[str, Role], places: Places) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    of_prompt = [(label, _PROMPT, given.prompt) for label in asked.labels(given.prompt)]
    of_layout = [(label, ("qa",), given.qa) for label in asked.labels(given.qa) if given.own_layout]
    for label, path, text in (*of_prompt, *of_layout):
        name = label.text.casefold()
        if name in known and seen.setdefault(name, label.colon) != label.colon:
            line = places.line_of(path, text, label.start) or places.line(_PROMPT)
            message = f"{label.text!r} has the colon {label.colon} here and {seen[name]} elsewhere"
            advice = "Write one of them everywhere: a model copies what it sees."
            yield Finding("mixed-colons", _WARNING, line, message, advice)
            return


def _turns(given: Asked, places: Places) -> Iterator[Finding]:
    least, most = given.least, given.most
    if least is None:
        return
    if most is not None and most < least:
        message = f"turns.max ({most}) is below turns.min ({least})"
        yield Finding("turns-crossed", _ERROR, places.line(("turns", "max")), message, "Exchange them, or correct one.")
        return
    for found in _distinct(asked.turns(given.prompt)):
        line = places.line_of(_PROMPT, given.prompt, found.start)
        bounds = f"{least} to {most}" if most is not None else f"{least} or more"
        said = f"the prompt asks for {found.words!r}; {bounds} are accepted"
        low, high = found.low, found.high
        if (low is not None and most is not None and low > most) or (high is not None and high < least):
            yield Finding(
                "turns-apart", _ERROR, line, f"{said}: none of those asked for", "Change `turns:` or the prompt."
            )
            continue
        if found.exact:
            continue
        if (low is not None and low < least) or (high is not None and most is not None and high > most):
            message = f"{said}: some of those asked for are rejected"
            yield Finding("turns-tighter", _WARNING, line, message, "Widen `turns:`, or ask for what is accepted.")
        looser = []
        if low is not None and least < low and not places.is_commented(("turns", "min")):
            looser.append(("min", low))
        if high is not None and (most is None or most > high) and not places.is_commented(("turns", "max")):
            looser.append(("max", high))
        for key, end in looser:
            message = f"{said}: replies that miss what was asked are kept"
            advice = f"Set turns.{key} to {end}, or say why not in a comment on its line."
            yield Finding("turns-looser", _WARNING, places.line(("turns", key)), message, advice)


def _distinct(found: Iterable[asked.Turns]) -> Iterator[asked.Turns]:
    seen: set[tuple[int | None, int | None]] = set()
    for each in found:
        if (each.low, each.high) not in seen:
            seen.add((each.low, each.high))
            yield each
