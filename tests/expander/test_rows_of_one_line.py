"""A JSON file is one line, as `json.dump` writes it: what cannot be read in it is told for each row."""

from __future__ import annotations

import json
from pathlib import Path

from tests.expander.running import query, run, write_posts


def test_all_but_one_bad_row_of_a_line_vanish(tmp_path: Path) -> None:
    good = [json.loads(line) for line in write_posts(tmp_path / "p.jsonl", 3).read_text("utf-8").splitlines()]
    posts, out = tmp_path / "posts (1).json", tmp_path / "run"
    posts.write_text(json.dumps([good[0], 5, None, good[1], {"question": ""}, good[0], good[1], "x", good[2]]), "utf-8")
    for _ in range(2):  # the second time, what was noted the first time is replaced
        done = run("expand", posts, "--out", out, cwd=tmp_path)
        assert done.returncode == 3, done.stderr
        assert "4  input rows unreadable" in done.stdout
        assert "2  input rows duplicate" in done.stdout
        noted = [json.loads(line) for line in (out / "rejected.jsonl").read_text("utf-8").splitlines()]
        assert sorted(row["outcome"] for row in noted) == ["duplicate"] * 2 + ["unreadable"] * 4
        assert len({row["place"] for row in noted}) == 6
    refused = run("expand", posts, "--temperature", 0.5, "--out", out, cwd=tmp_path)
    assert (refused.returncode, query(out, "SELECT count(*) FROM missing")) == (2, [(6,)])
    posts.write_text(json.dumps(good), "utf-8")
    done = run("expand", posts, "--out", out, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (out / "rejected.jsonl").read_text("utf-8") == ""
    assert len((out / "dialogues.jsonl").read_text("utf-8").splitlines()) == 3
