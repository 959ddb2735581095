"""The page as a browser shows it: no script of the data runs, nothing is fetched, a phone and a keyboard suffice."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from analysis.report.page import page
from tests.analysis.report.browser import Tab, showing
from tests.analysis.report.making import rich

_TAB, _ENTER = 9, 13

_SMALLEST = """(() => {
  let least = 99, where = "";
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (const d of document.querySelectorAll("details")) d.open = true;
  while (walk.nextNode()) {
    const node = walk.currentNode, element = node.parentElement;
    if (!node.data.trim() || element.closest("script, style, title, option") || !element.getClientRects().length) continue;
    const svg = element.closest("svg");
    const scale = svg ? svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : 1;
    const size = parseFloat(getComputedStyle(element).fontSize) * scale;
    if (size < least) { least = size; where = node.data; }
  }
  return [least, where];
})()"""

_CONTRAST = """(() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgb = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => {
    const part = (v) => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
    return .2126 * part(r) + .7152 * part(g) + .0722 * part(b);
  };
  const ratio = (a, b) => (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = rgb(getComputedStyle(e).backgroundColor);
      if (colour[3] > 0) return colour;
    }
    return [255, 255, 255, 255];
  };
  for (const d of document.querySelectorAll("details")) d.open = true;
  let text = 99, where = "";
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || element.closest("script, style, svg title, option") || !element.getClientRects().length) continue;
    const style = getComputedStyle(element);
    const colour = rgb(element.closest("svg") ? style.fill : style.color);
    const backs = [behind(element)];
    if (element.closest("td.bar")) backs.push(rgb(getComputedStyle(document.documentElement).getPropertyValue("--bar-colour")));
    for (const back of backs) {
      const found = ratio(light(colour), light(back));
      if (found < text) { text = found; where = element.textContent.slice(0, 60); }
    }
  }
  const root = getComputedStyle(document.documentElement);
  const paper = light(rgb(getComputedStyle(document.body).backgroundColor));
  const lines = [0, 1, 2, 3, 4, 5].flatMap((n) => [`--series-${n}`, `--human-${n}`])
    .map((name) => ratio(light(rgb(root.getPropertyValue(name))), paper));
  return [text, where, Math.min(...lines), paper];
})()"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("page") / "page.html"
    written.write_text(page(rich()), encoding="utf-8")
    return written


def reported(tab: Tab) -> list[Any]:
    """Errors, warnings and requests other than for the page itself."""
    found: list[Any] = []
    for event in tab.events:
        method, said = event.get("method"), event.get("params", {})
        if method in {"Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled"}:
            found.append(said)
        elif method == "Network.requestWillBeSent" and not said["request"]["url"].startswith(("file:", "data:")):
            found.append(said["request"]["url"])
        elif method == "Page.javascriptDialogOpening":
            found.append(said)
    return found


def test_a_browser_finds_nothing_wrong(file: Path) -> None:
    async def look() -> None:
        async with showing(file) as tab:
            assert await tab.value("window.harmed") is None
            assert await tab.value("document.querySelectorAll('img, iframe, object, main script').length") == 0
            assert await tab.value("document.scripts.length") == 1
            assert await tab.value("document.getElementById('steps').hidden") is False
            assert reported(tab) == []
            requests = [event for event in tab.events if event.get("method") == "Network.requestWillBeSent"]
            assert requests, "the browser reports no requests at all, so this test sees none"

    asyncio.run(look())


def test_the_browser_would_report_a_breach(tmp_path: Path) -> None:
    """That the test above can fail: an inline script more is refused, and said so."""
    breached = tmp_path / "breached.html"
    breached.write_text(page(rich()).replace("</main>", "<script>window.harmed = 1</script></main>"), encoding="utf-8")

    async def look() -> None:
        async with showing(breached) as tab:
            assert await tab.value("window.harmed") is None
            assert reported(tab)

    asyncio.run(look())


def test_a_phone_shows_all_of_it(file: Path) -> None:
    async def look() -> None:
        async with showing(file, width=360, height=740) as tab:
            size, where = await tab.value(_SMALLEST)
            assert size >= 11, where
            assert await tab.value("document.documentElement.scrollWidth") == 360
            assert await tab.value("document.body.scrollWidth") == 360
            past = (
                "[...document.querySelectorAll('main *, header *')].filter((e) => !e.closest('.scroll, .unseen, svg')"
                " && e.getBoundingClientRect().right > 361).map((e) => e.outerHTML.slice(0, 120))"
            )
            assert await tab.value(past) == []
            beside = "new Set([...document.querySelectorAll('.example:not([hidden]) .dialogue')].map((e) => e.offsetLeft)).size"
            assert await tab.value(beside) == 1

    asyncio.run(look())


def test_a_wide_screen_shows_arms_side_by_side(file: Path) -> None:
    async def look() -> None:
        async with showing(file) as tab:
            beside = "new Set([...document.querySelectorAll('.example:not([hidden]) .dialogue')].map((e) => e.offsetTop)).size"
            assert await tab.value(beside) == 1
            assert await tab.value("document.querySelectorAll('.example:not([hidden]) .dialogue').length") == 5
            assert await tab.value("document.documentElement.scrollWidth <= innerWidth") is True

    asyncio.run(look())


def test_a_keyboard_reads_the_examples(file: Path) -> None:
    shown = "document.querySelector('.example:not([hidden]) h3').textContent"
    focused = "document.activeElement.dataset.filter || document.activeElement.id"

    async def look() -> None:
        async with showing(file) as tab:
            await tab.value("document.getElementById('examples').focus()")
            reached = []
            for _ in range(5):
                await tab.press("Tab", code=_TAB)
                reached.append(await tab.value(focused))
            assert reached == ["corpora", "flags", "rules", "previous", "next"]
            assert await tab.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"
            assert await tab.value(shown) == "Example 1"
            await tab.press("Enter", code=_ENTER, text="\r")
            assert await tab.value(shown) == "Example 2"
            assert await tab.value("document.getElementById('where').textContent") == "2 of 20"
            await tab.value("document.getElementById('previous').click()")
            await tab.value("document.getElementById('previous').click()")
            assert await tab.value(shown) == "Example 1"

    asyncio.run(look())


def test_a_filter_leaves_what_matches(file: Path) -> None:
    choose = """((name, text) => {
      const select = document.querySelector(`select[data-filter=${name}]`);
      select.value = [...select.options].find((option) => option.text === text).value;
      select.dispatchEvent(new Event("change"));
      return document.getElementById("where").textContent;
    })"""
    examples = rich().examples
    flagged = [n for n, each in enumerate(examples, 1) if any(shown.flags for shown in each.dialogues)]
    ruled = [n for n in flagged if any("too_few_turns" in shown.rules for shown in examples[n - 1].dialogues)]

    async def look() -> None:
        async with showing(file) as tab:
            await tab.value("document.getElementById('next').click()")
            assert await tab.value(f"{choose}('flags', 'suicide')") == f"1 of {len(flagged)}"
            assert (
                await tab.value("document.querySelector('.example:not([hidden]) h3').textContent")
                == f"Example {flagged[0]}"
            )
            both = f"1 of {len(ruled)}" if ruled else "No example matches."
            assert await tab.value(f"{choose}('rules', 'too_few_turns')") == both
            assert await tab.value(f"{choose}('flags', 'any')") != both

    asyncio.run(look())


def test_without_scripts_every_example_is_there(file: Path) -> None:
    async def look() -> None:
        async with showing(file, scripts=False) as tab:
            document = (await tab.command("DOM.getDocument"))["root"]["nodeId"]
            found = await tab.command("DOM.querySelectorAll", nodeId=document, selector=".example")
            assert len(found["nodeIds"]) == 20
            for node in found["nodeIds"]:
                assert (await tab.command("DOM.getBoxModel", nodeId=node))["model"]["height"] > 100
            hidden = await tab.command(
                "DOM.querySelectorAll", nodeId=document, selector="#filters[hidden], #steps[hidden]"
            )
            assert len(hidden["nodeIds"]) == 2

    asyncio.run(look())


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_and_lines_stand_out(file: Path, dark: bool) -> None:  # noqa: FBT001
    """4.5 to 1 for text and 3 to 1 for lines, as WCAG 2.2 asks at level AA (1.4.3, 1.4.11)."""

    async def look() -> None:
        async with showing(file, dark=dark) as tab:
            text, where, lines, paper = await tab.value(_CONTRAST)
            assert text >= 4.5, where
            assert lines >= 3
            assert (paper < 0.05) == dark

    asyncio.run(look())
