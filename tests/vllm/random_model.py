"""Writes a model of random weights with a tokenizer trained on given posts. Run by an environment that has transformers.

`python random_model.py POSTS.json FOLDER`: 1 M parameters, Qwen2's shape, any Chinese text in few tokens. It writes noise, so
only what does not depend on a dialogue's form can be tested with it, unless its decoding is constrained.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path

END = "<|end|>"
TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def main(posts: Path, folder: Path) -> None:
    # The project's own environment has none of these, nor their types.
    torch, transformers, tokenizers = map(import_module, ("torch", "transformers", "tokenizers"))
    pieces, decoders = import_module("tokenizers.pre_tokenizers"), import_module("tokenizers.decoders")
    trainers, models = import_module("tokenizers.trainers"), import_module("tokenizers.models")

    texts = [str(text) for post in json.loads(posts.read_text("utf-8")) for text in post.values()]
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pieces.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pieces.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=2048, special_tokens=[END], initial_alphabet=alphabet)
    tokenizer.train_from_iterator([*texts, "求助者：\n支持者：\n" * 8], trainer)
    wrapped = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=END)
    wrapped.chat_template = TEMPLATE
    wrapped.save_pretrained(folder)
    torch.manual_seed(6)
    config = transformers.Qwen2Config(
        vocab_size=len(wrapped),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        eos_token_id=0,
        tie_word_embeddings=True,
    )
    transformers.Qwen2ForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
