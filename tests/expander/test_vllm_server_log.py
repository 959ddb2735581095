"""What is read from a vLLM log. The lines are of the kinds that vLLM 0.26 to 0.32 writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from expander.vllm_server.log_file import LogReader
from expander.vllm_server.log_lines import Novelty, death, plain, stage

ENGINE_DEATH = """(Worker pid=7) ERROR 11-21 09:38:43 [multiproc_executor.py:1063] WorkerProc hit an exception.
(Worker pid=7) ERROR 11-21 09:38:43 [multiproc_executor.py:1063]     gen.set_offset(gen.get_offset() - 4)
(Worker pid=7) ERROR 11-21 09:38:43 [multiproc_executor.py:1063] RuntimeError: {error}
(EngineCore pid=6) ERROR 11-21 09:38:43 [core.py:1512] EngineCore encountered a fatal error.
(EngineCore pid=6) ERROR 11-21 09:38:43 [core.py:1512] RuntimeError: Worker failed with error '{error}', please check \
the stack trace above for the root cause
(APIServer pid=5) ERROR 11-21 09:38:43 [async_llm.py:906] vllm.v1.engine.exceptions.EngineDeadError: EngineCore \
encountered an issue. See stack trace (above) for the root cause.
INFO:     Finished server process [5]
ConnectionResetError: [Errno 104] Connection reset by peer
(APIServer pid=5) INFO 11-21 09:38:43 [core_client.py:777] [shutdown] MPClient: complete
"""


def _plain(text: str) -> list[str]:
    return [plain(line) for line in text.splitlines()]


def test_the_error_that_follows_a_death_is_taken_for_its_cause() -> None:
    assert str(death(_plain(ENGINE_DEATH.format(error="CPU Generator does not use offset")), 0)) == (
        "RuntimeError: CPU Generator does not use offset."
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB. GPU 0 has ...", "the GPU's memory is full"),
        (
            "ValueError: Free memory on device cuda:0 (3.2/79.1 GiB) on startup is less than desired GPU memory utilization",
            "another process holds the GPU's memory",
        ),
        ("ValueError: No available memory for the cache blocks. Try ...", "no room is left for the KV cache"),
        (
            "ValueError: 16.0 GiB KV cache is needed, which is larger than the available KV cache memory (7.1 GiB).",
            "no room is left for the KV cache",
        ),
        ("OSError: [Errno 98] Address already in use", "its port is in use"),
        ("RuntimeError: Failed to infer device type, please set ...", "this vllm does not work on this machine"),
        ("ImportError: libcudart.so.12: cannot open shared object file: No such file", "pip install"),
        ("ValueError: Invalid repository ID or local directory specified: 'x'.", "there is no such model"),
        ("vllm: error: unrecognized arguments: --foo", "it refuses an argument"),
    ],
)  # fmt: skip
def test_a_known_death_comes_without_its_remedy(line: str, words: str) -> None:
    lines = [line, "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}"]
    found = death(lines, 1)
    assert words in str(found)
    assert line[:40] in str(found)
    assert found.hint


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-9, "killed (SIGKILL)"),
        (-11, "ended by signal 11; its last line: Route: /health"),
        (3, "exit code 3"),
        (None, "no"),
    ],
)
def test_a_death_without_a_word_is_not_told(code: int | None, words: str) -> None:
    assert words in str(death(["Route: /health"], code))
    assert words.partition(";")[0] in str(death([], code))


def test_a_warning_that_quotes_an_error_is_taken_for_one() -> None:
    line = plain(
        "(APIServer pid=1) WARNING 11-21 09:36:05 [system_utils.py:255] can cause errors like `OSError: [Errno 24]`."
    )
    assert line == "can cause errors like `OSError: [Errno 24]`."
    assert death([line], 2).reason.startswith("it ended with exit code 2")


def test_an_escape_sequence_reaches_the_terminal() -> None:
    assert (
        plain("\x1b[1;36m(EngineCore pid=6)\x1b[0;0m ERROR 11-21 09:38:43 [core.py:1] bad \x1b]0;title\x07")
        == "bad  ]0;title"
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "Loading safetensors checkpoint shards:  25% Completed | 1/4 [00:01<00:03,  1.10s/it]",
            "loading weights: 25 %",
        ),
        ("Fetching 12 files:  50%|#####     | 6/12 [00:30<00:30]", "downloading the model: 50 %"),
        ("Capturing CUDA graphs (mixed prefill-decode, PIECEWISE):  10%|#  | 5/51", "capturing CUDA graphs: 10 %"),
        ("GPU KV cache size: 209,696 tokens", "room for 209,696 tokens in the KV cache"),
        ("Route: /health, Methods: GET", None),
    ],
)
def test_a_stage_of_loading_is_missed(line: str, words: str | None) -> None:
    assert stage(line) == words


def test_waiting_aloud_counts_as_progress() -> None:
    novelty = Novelty()
    assert novelty.is_new("Waiting for 1 local core engine proc(s) to start, 60 seconds by now.")
    assert not novelty.is_new("Waiting for 1 local core engine proc(s) to start, 120 seconds by now.")
    assert novelty.is_new("Loading safetensors checkpoint shards:  25% Completed | 1/4 [00:01<00:03]")
    assert not novelty.is_new("Loading safetensors checkpoint shards:  25% Completed | 1/4 [00:09<00:09]")
    assert novelty.is_new("Loading safetensors checkpoint shards:  26% Completed | 1/4 [00:09<00:09]")


def test_a_line_in_pieces_is_read_twice_or_cut(tmp_path: Path) -> None:
    path = tmp_path / "vllm.log"
    path.write_text("an earlier life\n")
    reader = LogReader(path)
    with path.open("ab") as file:
        for piece, lines in (
            (b"one\nt", ["one"]),
            (b"wo\r  5%\r 10%", ["two", "5%"]),
            ("加".encode()[:2], []),
            ("加".encode()[2:] + b"\n", ["10%加"]),
            (b"bad \xff bytes\nlast", ["bad \ufffd bytes"]),
        ):
            file.write(piece)
            file.flush()
            assert reader.new() == lines
    assert reader.finish()[-1] == "last"
