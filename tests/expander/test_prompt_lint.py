"""`prompt lint` from its arguments to its lines and exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.expander.corpus_runs import cli
from tests.expander.running import run

SOUND = """\
source: "written for this test"
needs: qa
labels: {client: ["来访者"], counselor: ["咨询师"]}
turns: {min: 6}
prompt: |-
  改写成多轮对话，每行以“来访者：”或“咨询师：”开头。

  {qa}
"""
DOUBTFUL = SOUND.replace("多轮", "至少十轮")
BROKEN = SOUND.replace("{qa}", "{QA}")


def written(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "options", "code", "last"),
    [
        pytest.param(SOUND, (), 0, "0 errors, 0 warnings.", id="sound"),
        pytest.param(SOUND, ("--strict",), 0, "0 errors, 0 warnings.", id="sound, strict"),
        pytest.param(DOUBTFUL, (), 0, "0 errors, 1 warning.", id="doubtful"),
        pytest.param(DOUBTFUL, ("--strict",), 2, "0 errors, 1 warning.", id="doubtful, strict"),
        pytest.param(BROKEN, (), 2, "2 errors, 0 warnings.", id="broken"),
    ],
)
def test_the_exit_code_or_the_count_is_wrong(
    tmp_path: Path, text: str, options: tuple[str, ...], code: int, last: str
) -> None:
    done = cli("prompt", "lint", written(tmp_path / "mine.yaml", text), *options)
    assert (done.code, done.out.splitlines()[-1]) == (code, last)


def test_a_finding_lacks_its_place_or_its_advice(tmp_path: Path) -> None:
    file = written(tmp_path / "mine.yaml", BROKEN)
    lines = cli("prompt", "lint", file).out.splitlines()
    assert f"{file}:8: error: unknown-variable: {{QA}} is no variable here. Write {{qa}}." in lines[1]


@pytest.mark.parametrize("name", ["smile", "empathy_en"])
def test_a_published_name_is_taken_for_a_file(name: str) -> None:
    assert cli("prompt", "lint", name) == (0, "0 errors, 0 warnings.\n", "")


def test_a_file_that_is_not_there_ends_in_more_than_a_line(tmp_path: Path) -> None:
    done = run("prompt", "lint", tmp_path / "none.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"{tmp_path / 'none.yaml'}: cannot be read: No such file or directory.\n"


def test_a_file_in_another_encoding_ends_in_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_bytes(SOUND.encode("gb18030"))
    done = cli("prompt", "lint", tmp_path / "mine.yaml")
    assert done.code == 2
    assert "unreadable" in done.out


def test_a_name_that_expand_would_not_find_passes(tmp_path: Path) -> None:
    done = cli("prompt", "lint", written(tmp_path / "mine.txt", SOUND))
    assert done.code == 2
    assert "file-name" in done.out


@pytest.mark.parametrize(
    ("needs", "size", "warned"), [("qa", 1200, False), ("qa", 1500, True), ("nothing", 1500, False)]
)
def test_a_prompt_that_leaves_no_room_passes(tmp_path: Path, needs: str, size: int, warned: bool) -> None:  # noqa: FBT001
    text = SOUND.replace("needs: qa", f"needs: {needs}").replace("改写成", "改" * size)
    text = text if needs == "qa" else text.replace("{qa}", "写。")
    done = cli("prompt", "lint", written(tmp_path / "mine.yaml", text))
    assert (done.code, "long-prompt" in done.out) == (0, warned)


def test_escape_sequences_in_a_template_reach_the_terminal(tmp_path: Path) -> None:
    text = SOUND.replace("needs: qa", 'needs: qa\n"\\e[31mred": 1')
    done = cli("prompt", "lint", written(tmp_path / "mine.yaml", text))
    assert done.code == 2
    assert "\x1b" not in done.out
    assert "\\x1b" in done.out
