"""The commands that a kill campaign kills: how each is given, what it may be given again on, and where its stores are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE, Popen

from tests.campaigns.counting_proxy import counting_proxy
from tests.expander.batching import answered_offline
from tests.expander.running import command, environment, run, write_posts

CONCURRENCY = 8
PRICE_IN, PRICE_OUT = 3.0, 7.0  # of a million tokens
POSTS = 100
ABLATED = 24
BATCH = 300
LARGE = 4_100  # dialogues; from 4,000 on `report` cuts words in processes of its own
LATENCY = 0.03  # seconds

# Some replies have too few turns and some are empty, the same ones each time, so that rows with several replies, rejected
# rows and unreadable answers are among those that are killed.
FAULTS = ("rule-few-turns=0.1xalways", "empty=0.04xalways")


@dataclass(frozen=True)
class Ground:
    """The servers and the inputs that all trials share."""

    folder: Path
    proxy: str
    served: Path
    """The proxy's logs."""
    stored: dict[str, Path] = field(default_factory=dict)
    """Reference results by command."""

    def url(self, name: str, session: int, mode: str = "plain") -> str:
        return f"{self.proxy}/{name}/{session}/{mode}/v1"

    @property
    def posts(self) -> Path:
        return self.folder / "posts.jsonl"

    @property
    def corpus(self) -> Path:
        return self.folder / "corpus.jsonl"

    @property
    def large(self) -> Path:
        return self.folder / "large.jsonl"

    @property
    def batch_run(self) -> Path:
        return self.folder / "batch-run"

    @property
    def batch_results(self) -> Path:
        return self.folder / "batch-results.jsonl"


@dataclass(frozen=True, kw_only=True)
class Killable:
    """A command that promises to survive its death."""

    name: str
    arguments: Callable[[Ground, Path, str], list[object]]
    """Ground, the trial's folder and the endpoint's URL -> arguments. Everything is written into `out` in that folder."""
    asks: bool = False
    """Its replies come from the endpoint, so the proxy has an account of them."""
    stores: tuple[str, ...] = ()
    """Run folders within the trial's folder."""
    results: tuple[str, ...] = ()
    """In each run folder: files that hold a JSON object a line, each row in one of them."""
    goes_on: bool = False
    """An end other than 0 prints the command that goes on."""
    whole_folder: bool = False
    """`out` is replaced as a whole: it is the earlier one, or the new one, or set aside."""
    has_children: bool = False
    prepare: Callable[[Ground, Path], None] = lambda _ground, _folder: None


def _asking(url: str) -> list[object]:
    prices = ["--price-in", PRICE_IN, "--price-out", PRICE_OUT]
    where = ["--base-url", url, "--model", "offline-extractive", "--request-seed", 5]
    return [*where, "--concurrency", CONCURRENCY, *prices]


def _expand(ground: Ground, folder: Path, url: str) -> list[object]:
    return ["expand", ground.posts, *_asking(url), "--max-regenerations", 1, "--out", folder / "out"]


def _annotate(ground: Ground, folder: Path, url: str) -> list[object]:
    return ["annotate", ground.corpus, "--task", "topics", *_asking(url), "--out", folder / "out"]


def _ablate(ground: Ground, folder: Path, url: str) -> list[object]:
    arms = ["--arm", "smile", "--arm", "empathy", "-n", ABLATED, "--examples", 1]
    return ["ablate", ground.posts, *arms, *_asking(url), "--out", folder / "out"]


def _export(ground: Ground, folder: Path, _url: str) -> list[object]:
    options = ["--to", "llama-factory", "--license", "cc-by-4.0", "--overwrite"]
    return ["export", ground.large, *options, "--out", folder / "out"]


def _import(ground: Ground, folder: Path, _url: str) -> list[object]:
    return ["batch", "import", folder / "out", ground.batch_results]


def _report(ground: Ground, folder: Path, _url: str) -> list[object]:
    (folder / "out").mkdir(exist_ok=True)
    return ["report", ground.large, "--examples", 1, "--out", folder / "out" / "report.html"]


def _earlier_export(ground: Ground, folder: Path) -> None:
    """Every other trial has an export of another corpus to replace."""
    number = folder.name.rpartition("-")[2]
    if number.isdigit() and int(number) % 2:
        shutil.copytree(ground.stored["earlier export"], folder / "out")


def _exported_batch(ground: Ground, folder: Path) -> None:
    shutil.copytree(ground.batch_run, folder / "out")


COMMANDS = {
    each.name: each
    for each in (
        Killable(
            name="expand",
            arguments=_expand,
            asks=True,
            stores=("out",),
            results=("dialogues.jsonl", "rejected.jsonl"),
            goes_on=True,
        ),
        Killable(
            name="annotate",
            arguments=_annotate,
            asks=True,
            stores=("out",),
            results=("annotations.jsonl",),
            goes_on=True,
        ),
        Killable(
            name="ablate",
            arguments=_ablate,
            asks=True,
            stores=("out/arms/smile", "out/arms/empathy"),
            results=("dialogues.jsonl", "rejected.jsonl"),
            goes_on=True,
        ),
        Killable(name="export", arguments=_export, whole_folder=True, prepare=_earlier_export),
        Killable(
            name="batch import",
            arguments=_import,
            stores=("out",),
            results=("dialogues.jsonl", "rejected.jsonl"),
            goes_on=True,
            prepare=_exported_batch,
        ),
        Killable(name="report", arguments=_report, has_children=True),
    )
}


@contextmanager
def ground(folder: Path, names: set[str]) -> Iterator[Ground]:
    """Servers in processes of their own, and the inputs that these commands need."""
    (folder / "served").mkdir()
    faults = [part for fault in FAULTS for part in ("--fault", fault)]
    arguments = command("serve-offline", "--port", 0, "--latency", LATENCY, *faults)
    with Popen(arguments, stdout=PIPE, text=True, cwd=folder, env=environment()) as server:
        assert server.stdout is not None
        try:
            upstream = next(word for word in server.stdout.readline().split() if word.startswith("http")).rstrip(";")
            with counting_proxy(upstream, folder / "served") as proxy:
                found = Ground(folder, proxy, folder / "served")
                _write_inputs(found, names)
                yield found
        finally:
            server.kill()


def _write_inputs(ground: Ground, names: set[str]) -> None:
    write_posts(ground.posts, POSTS)
    _write_dialogues(ground.corpus, POSTS)
    if names & {"export", "report"}:
        _write_dialogues(ground.large, LARGE)
    if "export" in names:
        earlier = ground.folder / "earlier" / "out"
        options = ("--to", "llama-factory", "--license", "cc-by-4.0", "--name", "earlier")
        _done("export", ground.corpus, *options, "--out", earlier, cwd=ground.folder)
        ground.stored["earlier export"] = earlier
    if "batch import" in names:
        posts, requests = write_posts(ground.folder / "batch-posts.jsonl", BATCH), ground.folder / "requests.jsonl"
        _done("batch", "export", posts, "--out", ground.batch_run, "-o", requests, cwd=ground.folder)
        answered_offline(requests, ground.batch_results)


def _done(*arguments: object, cwd: Path) -> None:
    done = run(*arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr


def _write_dialogues(path: Path, rows: int) -> None:
    """So many dialogues, no two alike."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            said = [
                ("user", f"第{number}次考试又没考好，我很焦虑，晚上睡不着。"),
                ("assistant", "听起来你很难过。考试之前发生了什么？"),
                ("user", f"我复习了{number % 17}天，还是忘了。谢谢你愿意听我说。"),
                ("assistant", f"你可以试着把担心的第{number % 31}件事写下来。"),
            ]
            messages = [{"role": role, "content": text} for role, text in said]
            line = {"id": f"d{number}", "question_id": f"q{number // 3}", "messages": messages}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
