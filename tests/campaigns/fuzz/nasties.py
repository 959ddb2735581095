"""Inputs and pieces of inputs that have broken readers before: encodings, nesting, numbers, labels, line ends."""

from __future__ import annotations

import json

POST = {
    "question": "最近总是睡不好，怎么办？",
    "description": "已经两周了，白天没有精神。",
    "answer": "你好，听起来你很辛苦。先试试固定的起床时间。慢慢来。",
    "keywords": "失眠,压力",
    "questionID": 7,
}
PSYQA = {
    "question": "我该怎么和父母沟通？",
    "description": "他们总是不听我说。",
    "keywords": "家庭",
    "answers": [{"answer_text": "先把你的感受写下来。"}, {"answer_text": "找一个安静的时候。"}],
    "questionID": 8,
}

BYTES = (
    *(
        b"",
        b"\x00",
        b"\xff",
        b"\xfe\xff",
        b"\xff\xfe\x00",
        b"\xef\xbb\xbf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xc0\xaf",
    ),
    *(b"\r", b"\r\n", b"\n\n\n", b"\x0b", b"\x0c", b"\x1c", b"\xc2\x85", b"\xe2\x80\xa8", b"\x1b[31m", b"\x7f"),
    *(
        b'"',
        b'""',
        b"'",
        b"\\",
        b"\\u0000",
        b"\\ud800",
        b"\\udc00",
        b"\\",
        b"\\n",
        b"\t",
        b",",
        b":",
        b"{}",
        b"[]",
        b"[[[[",
        b"}}}}",
    ),
    *(
        b"null",
        b"true",
        b"NaN",
        b"Infinity",
        b"-0",
        b"1e999",
        b"-1e-999",
        b"9" * 40,
        b"9" * 5000,
        b"0x10",
        b"1_000",
        b"2026-13-40",
    ),
    *(b"{{", b"}}", b"{question}", b"{qa}", b"%s", b"%(x)s", b"${x}", b"$(x)", b"<script>", b"&amp;", b"=1+1", b"@SUM"),
    *(
        b"[" * 200,
        b'{"a":' * 200,
        b"- " * 100,
        b"? " * 50,
        b"&a [*a]",
        b"!!python/object:os.system",
        b"<<: *a",
        b"---\n",
        b"...",
    ),
)
"""Pieces for any reader."""

LABELS = tuple(
    text.encode()
    for text in (
        *(
            "求助者：",
            "支持者：",
            "求助者:",
            "支持者: ",
            "用户：",
            "心理咨询师：",
            "User: ",
            "Psychologist: ",
            "Help-seeker：",
            "Supporter:",
        ),
        *(
            "**求助者：**",
            "【支持者】：",
            "1. 求助者：",
            "第1轮",
            "求助者（低声）：",
            "旁白：",
            "小明：",
            "\n",
            "\n\n",
            "\\n",
            "</think>",
            "```",
        ),
        *(
            "---",
            "（沉默）",
            "“",
            "”",
            "「",
            "」",
            '"',
            "\u200b",
            "\ufeff",
            "\u2028",
            "\ufffd",
            "<|im_end|>",
            "作为一个AI",
            "抱歉",
            "我不想活了",
        ),
        *(
            "13800138000",
            "110101199003070054",
            "a@b.cn",
            "https://a.cn/b?c=d",
            "微信号abc123_x",
            "QQ：12345678",
            "０１０-８８８８",
            "１３８",
            "抱抱",
        ),
        *(
            "{QA}",
            "[话题]",
            "好。",
            "I am fine.",
            "谢谢",
            "楼主你",
            "a",
            "。",
            "，",
            "：",
            "？",
            "…",
            "😀",
            "é",
            "e\u0301",
            "ﬁ",
            "İ",
            "ß",
        ),
    )
)
"""Pieces of a reply, a post or a dialogue."""

REPLY = "\n".join(
    f"求助者：第{number}次说，我睡不好。\n支持者：第{number}次听到，你很辛苦，愿意多说一点吗？"
    for number in range(1, 7)
)
SOULCHAT_REPLY = "分析：用户需要理解。\n\n" + "\n".join(
    f"用户：第{number}天我还是很累。\n心理咨询师：第{number}天也不容易，先休息一下。" for number in range(1, 10)
)


def line(value: object) -> bytes:
    """A value as one line of JSON, as people write it."""
    return json.dumps(value, ensure_ascii=False).encode()
