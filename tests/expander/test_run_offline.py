"""The command line end to end on the embedded endpoint."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from prompts import published
from tests.conftest import REPOSITORY
from tests.expander.running import accounted, query, read_lines, rogue, run, write_posts

EXAMPLES = REPOSITORY / "expander" / "examples" / "posts.json"


@pytest.mark.parametrize("template", published())
def test_a_post_of_the_published_sample_is_missing_or_double(tmp_path: Path, data: Path, template: str) -> None:
    out = tmp_path / "run"
    done = run("expand", data / "psyqa_sample.json", "--template", template, "--out", out, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    kept, rest = accounted(out, 151)
    assert all(row["rule"] and row["reason"] for row in rest)
    assert len(kept) > 100
    provenance = kept[0]["provenance"]
    assert provenance["model"] == provenance["model_reported"] == provenance["endpoint"] == "offline-extractive"
    for row in kept:
        assert {message["role"] for message in row["messages"]} == {"user", "assistant"}
        assert all(message["content"].strip() for message in row["messages"])
    if template == "standardT":
        assert len({row["provenance"]["topic"] for row in kept}) > 40


def test_the_examples_end_in_nothing_to_look_at(tmp_path: Path) -> None:
    done = run("expand", EXAMPLES, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    out = Path("outputs/posts-smile-offline-extractive")
    assert str(out / "dialogues.jsonl") in done.stdout
    kept = read_lines(tmp_path / out / "dialogues.jsonl")
    assert len(kept) >= 20
    shown = run("show", out, cwd=tmp_path)
    assert shown.returncode == 0
    assert kept[0]["id"] in shown.stdout
    assert kept[0]["messages"][0]["content"][:10] in shown.stdout


def test_equal_commands_give_different_corpora(tmp_path: Path) -> None:
    for name in ("a", "b"):
        done = run("expand", EXAMPLES, "--template", "standardT", "--out", tmp_path / name, "--seed", 3, cwd=tmp_path)
        assert done.returncode == 0
    files = [(tmp_path / name / "dialogues.jsonl").read_bytes() for name in ("a", "b")]
    assert files[0] == files[1]
    run("expand", EXAMPLES, "--template", "standardT", "--out", tmp_path / "c", "--seed", 4, cwd=tmp_path)
    assert (tmp_path / "c" / "dialogues.jsonl").read_bytes() != files[0]


def test_rows_without_posts_are_all_alike(tmp_path: Path) -> None:
    done = run("expand", "--template", "standard", "--count", 12, "--out", tmp_path / "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    kept = read_lines(tmp_path / "run" / "dialogues.jsonl")
    assert len({json.dumps(row["messages"]) for row in kept}) == len(kept) == 12


def test_broken_and_double_rows_are_not_named(tmp_path: Path) -> None:
    good = {"question": "怎么和父母沟通？", "answer": "先听一听他们在担心什么。再说说你自己的感受。慢慢来。" * 4}
    lines = [
        json.dumps(good).encode(),
        b'{"question": "\xff", "answer": "x"}',
        b"{not json",
        json.dumps({"question": "只有问题"}).encode(),
        json.dumps(good).encode(),
        json.dumps({**good, "question": "怎么和朋友沟通？"}).encode(),
    ]
    posts = tmp_path / "posts.jsonl"
    posts.write_bytes(b"\n".join(lines) + b"\n")
    done = run("expand", posts, "--out", tmp_path / "run", cwd=tmp_path)
    assert done.returncode == 3
    assert "To go on: " in done.stderr
    assert len(read_lines(tmp_path / "run" / "dialogues.jsonl")) == 2
    missing = {(row["outcome"], row["place"]) for row in read_lines(tmp_path / "run" / "rejected.jsonl")}
    wrong = {("unreadable", f"{posts}:{line}") for line in (2, 3, 4)}
    assert missing == wrong | {("duplicate", f"{posts}:5")}
    again = run("expand", posts, "--out", tmp_path / "run", cwd=tmp_path)
    assert again.returncode == 3
    assert len(read_lines(tmp_path / "run" / "rejected.jsonl")) == 4


def test_a_dry_run_sends_or_writes(tmp_path: Path) -> None:
    posts = write_posts(tmp_path / "posts.jsonl", 50)
    with rogue("slow", tmp_path) as server:
        options = ("--base-url", server.url, "--model", "m", "--out", tmp_path / "run")
        done = run("expand", posts, *options, "--dry-run", "--price-in", 1, "--price-out", 2, cwd=tmp_path)
        assert server.lines() == []
    assert done.returncode == 0
    assert not (tmp_path / "run").exists()
    assert "I want you to act as both a psychologist and dialogue rewriter." in done.stdout
    assert "求助者: 第0个晚上睡不着，怎么办？已经连续0天了" in done.stdout
    assert "50 rows to make" in done.stdout
    assert "USD" in done.stdout


def test_a_price_is_made_up(tmp_path: Path) -> None:
    assert "price unknown" in run("expand", EXAMPLES, "--dry-run", cwd=tmp_path).stdout


def test_layers_of_settings_win_in_the_wrong_order(tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("temperature: 0.1\ntop_p: 0.2\nmax_tokens: 300\nlimit: 2\n")

    def sampling(*flags: object, **variables: str) -> tuple[float, float, int]:
        out = tmp_path / f"run{len(list(tmp_path.iterdir()))}"
        done = run("expand", EXAMPLES, "--config", config, "--out", out, *flags, cwd=tmp_path, timeout=120, **variables)
        assert done.returncode == 0, done.stderr
        rows = read_lines(out / "dialogues.jsonl") + read_lines(out / "rejected.jsonl")
        assert len(rows) == 2
        (stored,) = query(out, "SELECT value FROM meta WHERE key = 'settings'")
        settings = json.loads(stored[0])
        return settings["temperature"], settings["top_p"], settings["max_tokens"]

    assert sampling() == (0.1, 0.2, 300)
    assert sampling(EXPANDER_TOP_P="0.5", EXPANDER_TEMPERATURE="0.6") == (0.6, 0.5, 300)
    assert sampling("--temperature", 0.9, EXPANDER_TEMPERATURE="0.6") == (0.9, 0.2, 300)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        pytest.param(["expand", "none.json"], "none.json", id="no such file"),
        pytest.param(["expand", EXAMPLES, "--temperature", "3"], "temperature", id="value out of range"),
        pytest.param(["expand", EXAMPLES, "--tempreature", "1"], "--tempreature", id="misspelt option"),
        pytest.param(["expand", EXAMPLES, "--template", "none"], "standardT", id="no such template"),
        pytest.param(
            ["expand", EXAMPLES, "--base-url", "http://u:p@h/v1", "--model", "m"], "credentials", id="key in URL"
        ),
        pytest.param(["expand", EXAMPLES, "--base-url", "http://h/v1"], "--model", id="no model"),
        pytest.param(["expand", EXAMPLES, "--extra-body", "{"], "--extra-body", id="extra body is no JSON"),
        pytest.param(["expand", EXAMPLES, "--config", "none.yaml"], "none.yaml", id="no such config"),
        pytest.param(["expand"], "--count", id="no posts"),
        pytest.param(["expand", EXAMPLES, "--request-seed", str(2**63)], "request-seed", id="seed beyond 64 bits"),
        pytest.param(["expand", EXAMPLES, "--shard", "3/2"], "--shard", id="shard beyond the last"),
        pytest.param(["expand", EXAMPLES, "--offline-fault", "nonsense=1"], "nonsense", id="unknown fault"),
        pytest.param(["expand", EXAMPLES, "--max-cost", "1"], "--price-in", id="cost without prices"),
        pytest.param(["expand", EXAMPLES, "--sample", "500"], "500", id="sample larger than the input"),
        pytest.param(["show", "."], "store.sqlite", id="show what is no run"),
        pytest.param(["prompt", "show", "smile", EXAMPLES, "--post", "zzz"], "zzz", id="no such post"),
        pytest.param(["nonsense"], "nonsense", id="no such command"),
    ],
)
def test_wrong_usage_is_not_explained(tmp_path: Path, arguments: list[object], named: str) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "outputs").exists()


def test_unknown_keys_in_a_config_are_ignored(tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("temprature: 0.1\n")
    done = run("expand", EXAMPLES, "--config", config, cwd=tmp_path)
    assert done.returncode == 2
    assert "temprature" in done.stderr


def test_a_sample_is_no_sample(tmp_path: Path, data: Path) -> None:
    options = ("--sample", 20, "--sample-first", 100, "--seed", 5)
    done = run("expand", data / "psyqa_sample.json", *options, "--out", tmp_path / "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    kept, rest = accounted(tmp_path / "run", 20)
    assert len({row["provenance"]["question_id"] for row in kept} | {row["id"] for row in rest}) == 20


def test_shards_overlap_or_leave_rows_out(tmp_path: Path, data: Path) -> None:
    posts: Counter[str] = Counter()
    for shard in ("1/3", "2/3", "3/3"):
        out = tmp_path / shard.replace("/", "of")
        run("expand", data / "psyqa_sample.json", "--shard", shard, "--out", out, cwd=tmp_path)
        posts.update(row["provenance"]["post_id"] for row in read_lines(out / "dialogues.jsonl"))
    assert len(posts) == posts.total() == 151


def test_cleaning_is_not_counted_where_a_reader_sees_it(tmp_path: Path) -> None:
    posts = tmp_path / "posts.jsonl"
    answer = (
        "楼主你好，抱抱你，我听到你很累。这样的日子过了多久？休息的时候会想些什么？身边有人能听你说说吗？"
        "先睡一觉，再看看哪些事可以放一放。工作上的安排可以和同事商量。慢慢来，一次只做一件小事。"
    )
    posts.write_text(json.dumps({"question": "楼主很累，怎么办？", "answer": answer}, ensure_ascii=False), "utf-8")
    run("expand", posts, "--out", tmp_path / "run", cwd=tmp_path)
    (row,) = read_lines(tmp_path / "run" / "dialogues.jsonl")
    assert row["provenance"]["cleaned"] == {"楼主你": 1, "楼主": 1, "抱抱 clause": 1}
    prompt = run("prompt", "show", "smile", posts, cwd=tmp_path).stdout
    assert "楼主" not in prompt
    assert "抱抱" not in prompt


def test_escape_sequences_in_data_reach_the_terminal(tmp_path: Path) -> None:
    posts = tmp_path / "posts.jsonl"
    evil = "\x1b[31m红\x1b]0;owned\x07"
    post = {"question": f"怎么办？{evil}", "answer": "先说说发生了什么。我在听。慢慢来，不着急。你已经很努力了。" * 3}
    posts.write_text(json.dumps(post, ensure_ascii=False), "utf-8")
    run("expand", posts, "--out", tmp_path / "run", cwd=tmp_path)
    outputs = [
        run("show", tmp_path / "run", cwd=tmp_path).stdout,
        run("prompt", "show", "smile", posts, cwd=tmp_path).stdout,
        run("expand", posts, "--dry-run", cwd=tmp_path).stdout,
    ]
    assert all("\x1b" not in shown and "\x07" not in shown for shown in outputs)
    assert all("红" in shown for shown in outputs)


def test_a_secret_is_left_in_the_run_folder_or_on_the_screen(tmp_path: Path) -> None:
    posts, out = write_posts(tmp_path / "posts.jsonl", 5), tmp_path / "run"
    key, header = "sk-test-4242424242", "hdr-777777777"
    with rogue("400", tmp_path) as server:
        options = ("--base-url", server.url, "--model", "m", "--out", out, "--header", "X-Key=env:MY_HEADER")
        done = run("expand", posts, *options, cwd=tmp_path, OPENAI_API_KEY=key, MY_HEADER=header)
    everything = b"".join(path.read_bytes() for path in out.iterdir()) + (done.stdout + done.stderr).encode()
    assert key.encode() not in everything
    assert header.encode() not in everything


def test_post_text_reaches_the_screen_of_a_run(tmp_path: Path) -> None:
    posts = write_posts(tmp_path / "posts.jsonl", 40)
    options = ("--offline-fault", "500=0.2xalways", "--offline-fault", "rule-third-speaker=0.3", "--max-attempts", 1)
    done = run("expand", posts, "--out", tmp_path / "run", *options, cwd=tmp_path)
    assert done.returncode == 3
    assert "晚上睡不着" not in done.stdout + done.stderr


def test_a_full_pipe_ends_in_a_traceback(tmp_path: Path) -> None:
    import subprocess
    import sys

    run("expand", EXAMPLES, "--out", tmp_path / "run", cwd=tmp_path)
    shell = f"{sys.executable} {REPOSITORY / 'run.py'} show {tmp_path / 'run'} | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", shell], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


@pytest.mark.parametrize(("entries", "code"), [("", 0), ('{"messages": 7}\n', 3)], ids=["sound", "a broken entry"])
def test_a_reader_that_has_enough_changes_the_exit_code(tmp_path: Path, entries: str, code: int) -> None:
    import subprocess
    import sys

    corpus, talk = (
        tmp_path / "corpus.jsonl",
        [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "请说"}],
    )
    corpus.write_text(json.dumps({"messages": talk}) + "\n" + entries, "utf-8")
    shell = f"{sys.executable} {REPOSITORY / 'run.py'} audit {corpus} | true"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", shell], capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr


def test_personal_data_is_sent_or_stored(tmp_path: Path) -> None:
    posts, out = tmp_path / "posts.jsonl", tmp_path / "run"
    phone, mail = "13812345678", "someone@example.com"
    answer = (
        f"你好，可以先说说发生了什么吗？我的邮箱是{mail}，有事写信给我。慢慢来，不用急。休息也很重要。睡前放下手机。"
    )
    post = {"question": "失眠怎么办？", "description": f"加我电话{phone}聊聊。", "answer": answer}
    posts.write_text(json.dumps(post, ensure_ascii=False), "utf-8")
    run("expand", posts, "--out", out, cwd=tmp_path)
    rows = read_lines(out / "dialogues.jsonl")
    assert rows[0]["provenance"]["redacted"] == {"mobile": 1, "email": 1}
    everything = b"".join(path.read_bytes() for path in out.iterdir())
    assert phone.encode() not in everything
    assert mail.encode() not in everything
    kept = run("expand", posts, "--dry-run", "--no-redact", cwd=tmp_path).stdout
    assert phone in kept
    assert mail in kept
    assert phone not in run("expand", posts, "--dry-run", cwd=tmp_path).stdout


def risky_posts(path: Path) -> Path:
    calm = "先说说这几天是怎么过的？睡得好不好？有没有人可以说说话？我们一件一件来看。不着急，慢慢来。你愿意说出来已经很不容易。"
    posts = [
        {"question": "最近总想自杀，怎么办？", "answer": calm},
        {"question": "和室友吵架了，怎么办？", "answer": calm + "要不要找个时间和室友聊聊？"},
    ]
    path.write_text("".join(json.dumps(post, ensure_ascii=False) + "\n" for post in posts), "utf-8")
    return path


def test_risk_content_is_not_flagged(tmp_path: Path) -> None:
    posts, out = risky_posts(tmp_path / "posts.jsonl"), tmp_path / "run"
    assert run("expand", posts, "--out", out, cwd=tmp_path).returncode == 0
    risky, calm = read_lines(out / "dialogues.jsonl")
    assert risky["provenance"]["risk"] == {"kinds": ["suicidal-ideation"], "lacks_help": True}
    assert calm["provenance"]["risk"] == {}


@pytest.mark.parametrize(
    ("options", "rule", "file"),
    [
        (("--risk", "drop"), "risk-drop", "rejected.jsonl"),
        (("--risk", "quarantine"), "risk-quarantine", "quarantine.jsonl"),
        (("--policy", "soulchat"), "soulchat-strings", "rejected.jsonl"),
    ],
)
def test_risk_content_stays_in_the_corpus(tmp_path: Path, options: tuple[str, ...], rule: str, file: str) -> None:
    posts, out = risky_posts(tmp_path / "posts.jsonl"), tmp_path / "run"
    assert run("expand", posts, "--out", out, *options, "--max-regenerations", 3, cwd=tmp_path).returncode == 0
    assert len(read_lines(out / "dialogues.jsonl")) == 1
    (apart,) = read_lines(out / file)
    assert (apart["rule"], apart["generation"]) == (rule, 0)
    assert "自杀" in json.dumps(apart, ensure_ascii=False)
    assert run("filter", out, cwd=tmp_path).returncode == 0
    assert len(read_lines(out / "dialogues.jsonl")) == 2
    assert not (out / "quarantine.jsonl").exists()
    assert read_lines(out / "rejected.jsonl") == []
