"""The table: what each fault may do to a run. Every expected outcome is written here, by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

ATTEMPTS = 3  # --max-attempts of every cell: a fault that stays costs its row 1 s + 2 s of waits
CONCURRENCY = 16
LATENCY = 0.05  # seconds: of every server that has no other


class Fate(NamedTuple):
    """What becomes of a row whose prompt meets a fault."""

    outcome: str = "kept"
    """`kept`, `rejected` or `failed`, as in the run's store."""
    rule: str | None = None
    """The rule that rejected it, or the kind of its failure."""
    requests: int = 1
    """How often its prompt is sent."""
    reason: str = ""
    """Words that its reason holds."""


HEALED = Fate(requests=2)
UNHURT = Fate()
REFUSED = Fate("failed", "refused")
SERVER_ERROR = Fate("failed", "server-error", ATTEMPTS)
BROKEN = Fate("failed", "broken-reply", ATTEMPTS, "no chat completion")
TOO_LARGE = Fate("failed", "broken-reply", ATTEMPTS, "a body of more than")
DISCONNECTED = Fate("failed", "connection", ATTEMPTS)
TIMEOUT = Fate("failed", "timeout", ATTEMPTS, "no whole answer within")
SAID_NOTHING = Fate("rejected", "empty-reply", 3)  # asked for anew twice


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One fault, or several, and what must come of a run."""

    name: str
    faults: tuple[str, ...] = ()
    fates: Mapping[str, Fate] = field(default_factory=dict)
    """By kind of fault. A row that meets none is kept, after one request."""
    serve: tuple[str, ...] = ()
    """More options of the server."""
    options: tuple[str, ...] = ()
    """More options of the run."""
    url: str = ""
    """Where requests go instead of to the server."""
    stops: tuple[str, ...] = ()
    """Words that the run says when it stops, with exit code 4; it is then to be resumed against a sound server."""
    limited: bool = False
    """The server has a limit of requests a second: any row may be refused any number of times."""
    clock_jumps: bool = False
    """The run's wall clock leaps an hour to and fro."""
    resumed: bool = False
    """Go on against a sound server: rows that failed must come out kept."""
    within: float = 120.0
    """Seconds; many times what the waits add up to, for it finds a run that hangs and measures nothing."""
    peak_mb: float = 400.0
    """The most memory; an idle run has about 110 MB."""
    in_ci: bool = True


def _alone(
    kind: str, fate: Fate, share: str = "0.1xalways", *, options: tuple[str, ...] = (), within: float = 120.0
) -> Cell:
    """A cell for the long form alone; its fault is also part of a mixed cell that CI runs."""
    fates = {kind: fate}
    return Cell(name=kind, faults=(f"{kind}={share}",), fates=fates, options=options, within=within, in_ci=False)


def _mixed(
    name: str,
    faults: Mapping[str, tuple[str, Fate]],
    *,
    serve: tuple[str, ...] = (),
    options: tuple[str, ...] = (),
    clock_jumps: bool = False,
    resumed: bool = False,
    within: float = 120.0,
) -> Cell:
    return Cell(
        name=name,
        faults=tuple(f"{kind}={share}" for kind, (share, _) in faults.items()),
        fates={kind: fate for kind, (_, fate) in faults.items()},
        serve=serve,
        options=options,
        clock_jumps=clock_jumps,
        resumed=resumed,
        within=within,
    )


def _stopped(kind: str, *words: str, in_ci: bool = True) -> Cell:
    return Cell(name=f"{kind}, then mended", faults=(f"{kind}=0.1xalways",), stops=words, in_ci=in_ci)


_TRANSIENT = (408, 409, 500, 502, 503, 529)
_REFUSING = (400, 413, 422)
_BROKEN = ("html", "truncated", "bad-utf8", "no-choices")
_SLOW = ("--attempt-timeout", "5")
_USELESS = ("429-none", "429-past", "429-negative", "429-garbage")
_CUT: Mapping[str, Fate] = {
    "length": Fate("rejected", "cut-by-length"),
    "content_filter": Fate("rejected", "content-filter"),
    "huge": Fate("rejected", "repetition-loop"),
    "empty": SAID_NOTHING,
    "null": SAID_NOTHING,
}

CELLS: tuple[Cell, ...] = (
    Cell(name="none"),
    # 429, sporadic: in each form, and in forms that say nothing
    *(_alone(kind, Fate(requests=3), "0.2x2") for kind in ("429-seconds", "429-date", "429-ms")),
    _mixed(
        "429 in three forms, sporadic",
        {kind: ("0.1x2", Fate(requests=3)) for kind in ("429-seconds", "429-date", "429-ms")},
        serve=("--refusal-wait", "2"),
    ),
    _mixed("429 with a useless Retry-After", dict.fromkeys(_USELESS, ("0.05", HEALED))),
    Cell(name="429-far", faults=("429-far=0.1xalways",), fates={"429-far": Fate("failed", "rate-limited")}),
    # 429, sustained
    Cell(name="429, sustained: a limit of 30 a second", serve=("--rate-limit", "30"), limited=True),
    Cell(name="429-far for every row", faults=("429-far=1xalways",), stops=("rate-limited",)),
    # What ends the run
    _stopped("quota", "Stopped: quota: HTTP 429 (insufficient_quota)", "top it up"),
    _stopped("401", "Stopped: auth: HTTP 401", "Check the key", "$OPENAI_API_KEY, which is set"),
    _stopped("403", "Stopped: auth: HTTP 403", "Check the key", in_ci=False),
    _stopped("404", "Stopped: not-found: HTTP 404", "Check --model", in_ci=False),
    Cell(name="refused: nobody listens", url="http://127.0.0.1:9/v1", stops=("connection", "Check the endpoint")),
    Cell(name="no such host", url="http://nowhere.invalid/v1", stops=("connection", "Check the endpoint")),
    Cell(name="500 for every row", faults=("500=1xalways",), stops=("server-error: HTTP 500", "Check the endpoint")),
    # Statuses
    *(_alone(str(status), REFUSED) for status in _REFUSING),
    *(_alone(str(status), SERVER_ERROR) for status in _TRANSIENT),
    _mixed(
        "statuses that stay",
        {str(status): ("0.05xalways", REFUSED) for status in _REFUSING}
        | {str(status): ("0.05xalways", SERVER_ERROR) for status in _TRANSIENT},
        resumed=True,
    ),
    _mixed("statuses that pass", {str(status): ("0.08", HEALED) for status in _TRANSIENT}),
    # Connections
    _alone("drop", DISCONNECTED),
    _alone("reset", DISCONNECTED),
    _alone("hang", TIMEOUT, "0.05xalways", options=_SLOW),
    _alone("hang-body", TIMEOUT, "0.05xalways", options=_SLOW),
    _alone("trickle", TIMEOUT, "0.05xalways", options=_SLOW),
    _mixed(
        "connections that break for good",
        dict.fromkeys(("drop", "reset"), ("0.05xalways", DISCONNECTED))
        | dict.fromkeys(("hang", "hang-body", "trickle"), ("0.03xalways", TIMEOUT)),
        options=_SLOW,
        resumed=True,
    ),
    _mixed(
        "connections that break once",
        dict.fromkeys(("drop", "reset", "hang", "hang-body", "trickle"), ("0.06", HEALED)),
        options=_SLOW,
    ),
    # Bodies
    *(_alone(kind, BROKEN) for kind in _BROKEN),
    _alone("content-type", UNHURT),
    _mixed("broken bodies that stay", dict.fromkeys(_BROKEN, ("0.05xalways", BROKEN)), resumed=True),
    _mixed("broken bodies that pass", dict.fromkeys(_BROKEN, ("0.08", HEALED)) | {"content-type": ("0.1", UNHURT)}),
    _alone("oversized", TOO_LARGE, "0.03xalways", within=180),
    _alone("gzip-bomb", TOO_LARGE, "0.03xalways", within=180),
    _mixed(
        "bodies that are too large",
        {"oversized": ("0.04xalways", TOO_LARGE), "gzip-bomb": ("0.06xalways", TOO_LARGE)},
    ),
    # Replies
    *(_alone(kind, fate) for kind, fate in _CUT.items()),
    _mixed("replies of no use", {kind: ("0.06xalways", fate) for kind, fate in _CUT.items()}),
    # All together
    _mixed(
        "ten at 3 % each",
        {
            "429-seconds": ("0.03x2", Fate(requests=3)),
            "400": ("0.03xalways", REFUSED),
            "500": ("0.03xalways", SERVER_ERROR),
            "503": ("0.03", HEALED),
            "reset": ("0.03", HEALED),
            "hang": ("0.03", HEALED),
            "truncated": ("0.03", HEALED),
            "html": ("0.03xalways", BROKEN),
            "null": ("0.03xalways", SAID_NOTHING),
            "rule-few-turns": ("0.03xalways", Fate("rejected", "too-few-turns")),
        },
        options=_SLOW,
        resumed=True,
    ),
    # The wall clock
    _mixed(
        "a clock that jumps",
        {"429-date": ("0.2x2", Fate(requests=3)), "429-seconds": ("0.1", HEALED), "500": ("0.1", HEALED)},
        clock_jumps=True,
    ),
)
