"""Text from data on a page and on a card: a real browser shows it, and obeys none of it."""

from __future__ import annotations

import asyncio
import html
import json
import re
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt

from tests.analysis.report.browser import chromium, showing
from tests.analysis.report.test_page_in_browser import reported
from tests.campaigns.secrets import endpoint
from tests.expander.corpus_runs import Done
from tests.expander.report_runs import read
from tests.expander.running import read_lines, run
from tests.expander.test_hostile_terminal import unseen

PAYLOADS = (
    "<script>window.harmed=1;document.title='harmed'</script>",
    "</script><script>window.harmed=1</script>",
    "<img src=x onerror=window.harmed=1>",
    "<svg onload=window.harmed=1><a xlink:href=javascript:window.harmed=1>",
    "</style><style>body{display:none}</style>",
    "</textarea></title></svg></details><iframe src=http://127.0.0.1:9/harmed></iframe>",
    "<link rel=stylesheet href=http://127.0.0.1:9/harmed><base href=http://127.0.0.1:9/>",
    "<meta http-equiv=refresh content='0;url=http://127.0.0.1:9/harmed'>",
    "\" autofocus onfocus=window.harmed=1 x='",
    "<!-- harmed --!><![CDATA[ harmed",
    "javascript:window.harmed=1",
    "[harmed](javascript:window.harmed=1) ![harmed](http://127.0.0.1:9/harmed)",
    "{{ 7*7 }} {% raw %} ${7*7} #{7*7} &lt;b&gt;",
    "`harmed` **harmed** | harmed | ~~harmed~~",
)
TURNING = "\u202e\u2066\u200b\x1b[31m"
NAME = "n<img src=x onerror=window.harmed=1>{{7*7}}\"' | [harmed](javascript:harmed) # \u202e"
"""For what becomes the name of a file: without a slash."""
CHINESE = "我心里很难过，晚上也总是睡不着，不知道应该怎么办才好，身边也没有人可以好好说说话。" * 3
POSTS = 5
NAMES = f"{NAME}\n# harmed\n\n<script>window.harmed=1</script></script></style>"

_ELEMENTS = "img, iframe, object, embed, base, form, audio, video, style ~ style, meta[http-equiv=refresh], link:not([rel=icon])"
_LOOK = f"""(() => {{
  const found = [];
  if (window.harmed) found.push("a script ran");
  if (document.title === "harmed") found.push("the title was changed");
  if (getComputedStyle(document.body).display === "none") found.push("the body is hidden");
  for (const each of document.querySelectorAll({json.dumps(_ELEMENTS)})) found.push(each.outerHTML);
  for (const each of document.querySelectorAll("*")) {{
    for (const {{name, value}} of each.attributes)
      if (name.startsWith("on") || (/href$|^src$|^action$/.test(name) && /^(javascript|http:)/i.test(value)))
        found.push(`${{name}}=${{value}}`);
  }}
  if (document.scripts.length > SCRIPTS) found.push(`${{document.scripts.length}} scripts`);
  return found;
}})()"""


def harm(page: Path, scripts: int = 1) -> list[object]:
    """What the page did, or would do, that text must not do; it may hold so many scripts of its own."""

    async def look() -> list[object]:
        async with showing(page) as tab:
            found: list[object] = await tab.value(_LOOK.replace("SCRIPTS", str(scripts)))
            return [*found, *reported(tab)]

    return asyncio.run(look())


def shown(page: Path) -> str:
    """All text of the page's body as the browser holds it."""

    async def look() -> str:
        async with showing(page) as tab:
            return str(await tab.value("document.body.textContent"))

    return asyncio.run(look())


def corpus(path: Path) -> Path:
    rows = []
    for number in range(4):
        said = [f"{payload}{TURNING}第{number}次{CHINESE}" for payload in PAYLOADS]
        messages = [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(said)]
        rows.append({"id": f"{NAMES}{number}", "messages": messages, "source": NAMES, "topic": NAMES})
    path.write_text("".join(json.dumps(each, ensure_ascii=False) + "\n" for each in rows), "utf-8")
    return path


def posts(path: Path) -> Path:
    rows = [
        {
            "id": f"{NAMES}{number}",
            "question": f"第{number}次失眠。{PAYLOADS[number]}",
            "description": f"我很难过，已经{number}天了。{PAYLOADS[number + 1]}，怎么办？",
            "answer": f"你好，听起来你很辛苦。{PAYLOADS[number + 2]}。先说说第{number}天。睡前少看手机。慢慢来，也可以找人聊聊。",
            "source": NAMES,
        }
        for number in range(POSTS)
    ]
    path.write_text("".join(json.dumps(each, ensure_ascii=False) + "\n" for each in rows), "utf-8")
    return path


def template(path: Path) -> Path:
    body = {
        "source": NAMES,
        "language": "zh",
        "needs": "qa",
        "labels": {"client": ["求助者", "<b onclick=harmed>"], "counselor": ["支持者", "</script>"]},
        "turns": {"min": 1},
        "literal": [" 7*7 ", "7*7"],
        "prompt": f"改写成多轮对话，每行以“求助者：”或“支持者：”开头。\n{' '.join(PAYLOADS[:10])}\n\n{{qa}}",
    }
    path.write_text(yaml.safe_dump(body, allow_unicode=True), "utf-8")
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, a labelled corpus and an ablation, all made by commands out of hostile texts and names."""
    chromium()
    folder = tmp_path_factory.mktemp("hostile")
    mine, asked = template(folder / f"t{NAME}.yaml"), posts(folder / f"p{NAME}.jsonl")
    talk = corpus(folder / f"c{NAME}.jsonl")
    book = folder / "book.yaml"
    book.write_text(yaml.safe_dump([{"name": payload, "definition": payload} for payload in PAYLOADS[:4]]), "utf-8")
    with endpoint("good") as served:
        ask = ("--base-url", served.url, "--model", NAMES, "--no-redact")
        for arguments in (
            ("expand", asked, "--template", mine, "--out", folder / f"r{NAME}", *ask),
            ("ablate", asked, "--arm", mine, "--arm", "smile", "--examples", 2, "--out", folder / "ab", *ask),
            ("annotate", talk, "--task", "topics", "--codebook", book, "--out", folder / f"l{NAME}"),
        ):
            done = run(*arguments, cwd=folder)
            assert done.returncode in {0, 3}, done.stderr
    assert len(read_lines(folder / f"r{NAME}" / "dialogues.jsonl")) == POSTS
    return folder


@pytest.fixture(scope="module")
def report(place: Path) -> Path:
    page = place / f"page{NAME}.html"
    done = run(
        *("report", place / f"r{NAME}", place / f"c{NAME}.jsonl", "--human", place / f"l{NAME}"),
        *("--name", NAMES, "--name", f"c{NAMES}", "--name", f"h{NAMES}", "--examples", 3, "-o", page),
        cwd=place,
    )
    assert done.returncode == 0, done.stderr
    read(page, Done(done.returncode, done.stdout, done.stderr))  # its tables hold no formula
    return page


def test_a_report_obeys_what_it_shows(report: Path) -> None:
    assert harm(report) == []
    text = shown(report)
    assert [payload for payload in PAYLOADS if payload not in text] == []
    assert unseen(text) == []


def test_an_ablations_page_obeys_what_it_shows(place: Path) -> None:
    page = place / "ab" / "report.html"
    assert harm(page) == []
    text = shown(page)
    assert all(payload in text for payload in PAYLOADS[:10])  # of the prompt
    assert unseen(text) == []


@pytest.mark.parametrize("start", ["&lt;img src=x", "&lt;script", "&lt;/style", "&lt;svg onload"])
def test_harm_is_overlooked(tmp_path: Path, report: Path, start: str) -> None:
    """A page on which one text was left as it is."""
    head, body, rest = report.read_text("utf-8").partition("<body>")
    raw = re.sub(rf"{re.escape(start)}[^<]*", lambda found: html.unescape(found[0]), rest, count=1)
    assert raw != rest
    broken = tmp_path / "broken.html"
    broken.write_text(head + body + raw, "utf-8")
    assert harm(broken) != []


def test_a_card_obeys_what_it_shows(tmp_path: Path, place: Path) -> None:
    done = run(
        *("export", place / f"r{NAME}", "--to", "messages", "--license", NAMES, "--name", NAMES),
        *("--out", tmp_path / "out"),
        cwd=place,
    )
    assert done.returncode == 0, done.stderr
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    _, head, body = card.split("---\n", 2)
    assert yaml.safe_load(head)["license"] == "other"
    rendered = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(body)
    page = tmp_path / "card.html"
    page.write_text(f"<!DOCTYPE html><meta charset=utf-8><body>{rendered}</body>", "utf-8")
    assert harm(page, scripts=0) == []
    assert not re.search(r"<(?:h[2-6]|em|strong|s|code|a)\b[^>]*>[^<]*harmed", rendered)
    text = shown(page)
    assert "<img src=x onerror=window.harmed=1>{{7*7}}" in text
    assert "[harmed](javascript:harmed)" in text
    assert unseen(text) == []
    for table in re.findall(r"<table>.*?</table>", rendered, re.DOTALL):
        assert len({row.count("<t") for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)}) == 1
