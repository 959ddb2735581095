"""vLLM's own offline run over the requests of a batch file: what `vllm_throughput.py` holds the job against.

Run by an environment that has vllm, with vllm's own engine arguments:
`python vllm_offline.py REQUESTS.jsonl TOKENS --model MODEL [--dtype ...]`. Prints one JSON object: requests, prompt and generated
tokens, seconds from the first request to the last reply; loading and a warm-up are not in them.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from pathlib import Path

WARM_UP = 8  # requests before the clock starts: kernels are compiled at their first use


def main(requests: Path, tokens: int, arguments: list[str]) -> None:
    # The project's own environment has no vllm, nor its types.
    vllm = import_module("vllm")
    engine_args = import_module("vllm.engine.arg_utils").EngineArgs
    parser = import_module("vllm.utils.argparse_utils").FlexibleArgumentParser()
    parsed = engine_args.from_cli_args(engine_args.add_cli_args(parser).parse_args(arguments))
    llm = vllm.LLM(**vars(parsed))
    messages = [json.loads(line)["body"]["messages"] for line in requests.read_text("utf-8").splitlines()]

    def sampling(length: int) -> object:
        return vllm.SamplingParams(temperature=1.0, top_p=1.0, max_tokens=length, min_tokens=length, ignore_eos=True)

    llm.chat(messages[:WARM_UP], sampling(16), use_tqdm=False)
    llm.reset_prefix_cache()
    started = time.perf_counter()
    replies = llm.chat(messages, sampling(tokens), use_tqdm=False)
    seconds = time.perf_counter() - started
    found = {
        "requests": len(replies),
        "prompt_tokens": sum(len(reply.prompt_token_ids) for reply in replies),
        "generated_tokens": sum(len(reply.outputs[0].token_ids) for reply in replies),
        "seconds": seconds,
    }
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
