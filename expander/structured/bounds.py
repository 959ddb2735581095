"""How long a constrained dialogue may be: turns, characters an utterance, an analysis before it.

Bounds are what keeps a model that finds no end from running into the endpoint's limit of tokens: a reply cut there is lost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from filters.dialogue import DialogueFormat

# The 55,165 dialogues of SMILECHAT, every fourth: 0.1 % of client utterances are shorter than 6 characters, 5 % of
# counselor utterances longer than 225; 0.1 % of dialogues have more than 12 turns, 5 % more than 8. Half of the client
# utterances have 40 characters or fewer: below that, a bound would change what is said, so fitting stops there.
SHORTEST = 6
MOST_TURNS = 12
USUAL_TURNS = 8
_LONGEST_SEEN = 225
_LONGEST_AT_LEAST = 40
# Half of the counselor utterances are shorter than 89. xgrammar 0.2.8 with 150,000 tokens took 17 s to compile a bound of
# 225 and 6 to 17 ms for each token's mask, 5 s and 0.3 ms with 100, and 0.3 s and 0.01 ms without one (two cores); vLLM
# gives a regular expression 5 s. So there is a bound only where it is needed, and then this one.
LONGEST = 100
ANALYSIS = 400
"""Characters before the dialogue, where the template allows text there. Our choice: a paragraph on each of SoulChat's two
questions (what the user needs, how the counselor shows empathy)."""
LATIN = 4
"""Latin letters that take as many tokens as one Chinese character: what the job estimates prompts by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Least and most turns (exchanges), characters an utterance, most characters before the dialogue."""

    min_turns: int
    max_turns: int
    shortest: int
    longest: int | None
    """None: no bound, which is far cheaper for the server and stops no model that goes on for ever."""
    analysis: int | None
    """0: nothing stands before the dialogue. None: no bound, as for utterances."""

    def tokens(self, fmt: DialogueFormat) -> int | None:
        """Tokens of the longest reply, labels and line breaks included; None where one of the bounds is none.

        At one a Chinese character and one for four Latin letters.
        """
        if self.longest is None or self.analysis is None:
            return None
        a_label = max(len(fmt.client_labels[0]), len(fmt.counselor_labels[0])) + len("： \n")
        characters = self.analysis + (2 * self.max_turns + 1) * (a_label + self.longest)
        return -(-characters // LATIN) if fmt.english else characters


def bounds_of(
    fmt: DialogueFormat,
    *,
    shortest: int | None = None,
    longest: int | None = None,
    most_turns: int | None = None,
    analysis: int | None = None,
) -> Bounds:
    """The bounds of a format; what is given stands in for a default. Raises ValueError for bounds that cross.

    Where the format has no most turns, `MOST_TURNS` or twice its least, whichever is more.
    """
    scale = LATIN if fmt.english else 1
    most = fmt.max_turns if fmt.max_turns is not None else max(MOST_TURNS, 2 * fmt.min_turns)
    if most_turns is not None:
        if most_turns < fmt.min_turns or (fmt.max_turns is not None and most_turns > fmt.max_turns):
            allowed = f"{fmt.min_turns} to {fmt.max_turns}" if fmt.max_turns else f"at least {fmt.min_turns}"
            raise ValueError(f"{most_turns} turns: the template's rules ask for {allowed}")
        most = most_turns
    lower = min(SHORTEST * scale, longest or SHORTEST * scale) if shortest is None else shortest
    if longest is not None and lower > longest:
        raise ValueError(f"an utterance of {lower} to {longest} characters cannot be")
    if analysis is None and longest is not None:
        analysis = ANALYSIS * scale
    return Bounds(
        min_turns=max(1, fmt.min_turns),
        max_turns=max(1, most),
        shortest=lower,
        longest=longest,
        analysis=analysis if fmt.preamble else 0,
    )


def is_roomy(bounds: Bounds, fmt: DialogueFormat, tokens: int) -> bool:
    """Whether so many tokens hold the longest dialogue that people's habits make likely, so that no bound is needed."""
    scale = LATIN if fmt.english else 1
    needed = replace(_with_analysis(bounds, scale), longest=_LONGEST_SEEN * scale).tokens(fmt)
    return needed is not None and needed <= tokens


def bounded(bounds: Bounds, fmt: DialogueFormat) -> Bounds:
    """The same with the usual longest utterance, and analysis, where there is no bound."""
    scale = LATIN if fmt.english else 1
    longest = max(bounds.shortest, LONGEST * scale) if bounds.longest is None else bounds.longest
    return replace(_with_analysis(bounds, scale), longest=longest)


def _with_analysis(bounds: Bounds, scale: int) -> Bounds:
    return replace(bounds, analysis=ANALYSIS * scale) if bounds.analysis is None else bounds


def fitted(
    bounds: Bounds, fmt: DialogueFormat, tokens: int, *, fixed_longest: bool = False, fixed_turns: bool = False
) -> Bounds:
    """These bounds made so narrow that the longest reply has at most so many tokens, or as near as they may come.

    Turns give way first, down to `USUAL_TURNS`; then an utterance's length, down to half of what clients say; then turns,
    down to the least; then the analysis. Least turns and the shortest utterance stay, and what is fixed. `Bounds.tokens`
    says whether it fits. Bounds of which one is none stay as they are.
    """
    scale = LATIN if fmt.english else 1

    def excess(some: Bounds) -> int:
        """Characters by which the longest reply is too long."""
        needed = some.tokens(fmt)
        return 0 if needed is None else (needed - tokens) * scale

    def at_most_turns(some: Bounds, least: int) -> Bounds:
        while not fixed_turns and some.max_turns > max(some.min_turns, least) and excess(some) > 0:
            some = replace(some, max_turns=some.max_turns - 1)
        return some

    bounds = at_most_turns(bounds, USUAL_TURNS)
    if not fixed_longest and bounds.longest is not None and excess(bounds) > 0:
        floor = min(bounds.longest, max(bounds.shortest, _LONGEST_AT_LEAST * scale))
        less = -(-excess(bounds) // (2 * bounds.max_turns + 1))
        bounds = replace(bounds, longest=max(floor, bounds.longest - less))
    bounds = at_most_turns(bounds, 1)
    return (
        bounds
        if bounds.analysis is None
        else replace(bounds, analysis=max(0, bounds.analysis - max(0, excess(bounds))))
    )
