from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from filters.digit_runs import is_old_resident_id, is_resident_id, passes_luhn
from filters.privacy import PLACEHOLDERS, PiiKind, find_pii, redact

PIECES = (
    *(
        "1",
        "38",
        "13812345678",
        "0",
        "86",
        "+",
        "-",
        " ",
        ".",
        "@",
        "qq",
        "QQ",
        "：",
        "微信",
        "号",
        "加v",
        "订单号",
        "电话",
        "元",
        "a",
        "abc_1",
    ),
    *(
        "com",
        ".cn",
        "www.",
        "http://",
        "/",
        "110101199001010015",
        "6222",
        "x",
        "X",
        "０",
        "１３８",
        "，",
        "。",
        "(",
        "）",
        "12345",
        "〔",
        "〕",
        "是",
    ),
)
TEXTS = st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
STREAMS = (
    "1",
    "@",
    "自",
    " ",
    "1 ",
    "111 ",
    "1-",
    ".cn",
    "a.",
    "a@",
    "微信",
    "QQ1",
    "http://",
    "138-",
    "订单号1",
    "1x",
    "+86",
    "a.b@c.",
    "13812345678 ",
)


def kinds(text: str) -> list[str]:
    return [finding.kind for finding in find_pii(text)]


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        pytest.param("打13812345678找我", "打〔手机号〕找我", id="touching-chinese"),
        pytest.param("13812345678QQ同号", "〔手机号〕QQ同号", id="letters-after"),
        pytest.param("138-1234-5678", "〔手机号〕", id="dashes"),
        pytest.param("+86 138 1234 5678。", "〔手机号〕。", id="country-code"),
        pytest.param("８６１３８１２３４５６７８", "〔手机号〕", id="full-width"),
        pytest.param("13812345678 13912345678", "〔手机号〕 〔手机号〕", id="two-in-a-row"),
        pytest.param("138123456789", "138123456789", id="twelve-digits"),
        pytest.param("0.13812345678", "0.13812345678", id="decimals"),
        pytest.param("12345-13812345678", "12345-13812345678", id="part-of-a-longer-number"),
        pytest.param("12012345678", "12012345678", id="no-such-prefix"),
        pytest.param("订单号：13812345678", "订单号：13812345678", id="order"),
        pytest.param("订单号丢了。打13812345678", "订单号丢了。打〔手机号〕", id="cue-of-another-sentence"),
        pytest.param("快递电话13812345678", "快递电话〔手机号〕", id="last-cue-decides"),
        pytest.param("13812345678元", "13812345678元", id="amount"),
        pytest.param("010-62340001转8", "〔座机号〕转8", id="landline"),
        pytest.param("热线010-82951332", "热线010-82951332", id="help-line-stays"),
        pytest.param("QQ：12345678，微信abc_1234", "QQ：〔QQ号〕，微信〔微信号〕", id="accounts"),
        pytest.param("微信 13812345678", "微信 〔微信号〕", id="wechat-is-a-phone"),
        pytest.param("微信转账12000元", "微信转账12000元", id="money-sent"),
        pytest.param("12345678@qq.com", "〔邮箱〕", id="email-before-number"),
        pytest.param("https://a.cn/13812345678?x=1，", "〔网址〕，", id="url-before-number"),
        pytest.param("看www.abc.com/x。", "看〔网址〕。", id="www"),
        pytest.param("see example.org.", "see 〔网址〕.", id="full-stop-after"),
        pytest.param("用node.js和e.g.都行", "用node.js和e.g.都行", id="dots"),
        pytest.param("{name} %s {{x}}", "{name} %s {{x}}", id="template-syntax"),
    ],
)
def test_redacted_text(text: str, redacted: str) -> None:
    assert redact(text).text == redacted


def test_a_finding_holds_kind_and_place_and_no_text() -> None:
    finding = redact("电话13812345678，邮箱a@b.com").findings[1]
    assert finding == (PiiKind.EMAIL, (16, 23))
    assert not any(isinstance(field, str) and field not in PiiKind for field in finding)


@pytest.mark.parametrize(
    ("digits", "valid"),
    [
        pytest.param("11010519491231002X", True, id="the-standards-own-example"),
        pytest.param("110105194912310021", False, id="check-character"),
        pytest.param("110105194913310025", False, id="month-13"),
        pytest.param("110105194902300027", False, id="30-february"),
        pytest.param("99010519491231002X", False, id="province"),
        pytest.param("11010519491231002", False, id="seventeen"),
        pytest.param("1101051949X231002X", False, id="x-inside"),
    ],
)
def test_resident_id(digits: str, valid: bool) -> None:  # noqa: FBT001
    assert is_resident_id(digits) is valid


def test_old_resident_id_needs_a_day() -> None:
    assert is_old_resident_id("110105491231002")
    assert not is_old_resident_id("110105491331002")


def test_luhn() -> None:
    assert passes_luhn("4111111111111111")
    assert not passes_luhn("4111111111111112")


@pytest.mark.parametrize("kind", PiiKind)
def test_a_placeholder_is_nobodys_data(kind: PiiKind) -> None:
    assert find_pii(PLACEHOLDERS[kind] * 3) == ()


@given(TEXTS)
def test_findings_lie_inside_the_text_and_apart(text: str) -> None:
    place = 0
    for finding in find_pii(text):
        assert place <= finding.span.start < finding.span.end <= len(text)
        place = finding.span.end


@given(TEXTS)
@example("单号QQ1234567890 13812345678")
@example("a.b.http://x13812345678")
def test_redaction_leaves_nothing_and_is_done_once(text: str) -> None:
    redacted, findings = redact(text)
    assert find_pii(redacted) == ()
    assert redact(redacted) == (redacted, ())
    rebuilt, place = "", 0
    for kind, span in findings:
        assert span.start >= place
        rebuilt += text[place : span.start] + PLACEHOLDERS[kind]
        place = span.end
    assert rebuilt + text[place:] == redacted


@given(
    st.integers(0, 99_999_999),
    st.text(alphabet="的我是，。打给在：「」", max_size=5),
    st.sampled_from(("138", "159", "186", "199")),
)
def test_a_mobile_number_in_chinese_is_found(rest: int, around: str, prefix: str) -> None:
    number = f"{prefix}{rest:08d}"
    assert number not in redact(around + number + around).text


def seconds(text: str) -> float:
    start = time.thread_time()
    find_pii(text)
    return time.thread_time() - start


@pytest.mark.parametrize("stream", STREAMS)
def test_time_grows_with_the_text(stream: str) -> None:
    find_pii(stream)
    short, long = (min(seconds(stream * (size // len(stream))) for _ in range(2)) for size in (25_000, 200_000))
    # Eight times the text; a quadratic search would take sixty-four times as long.
    assert long < 24 * short + 0.05


@pytest.mark.parametrize("stream", ["1", "@", "自", " "])
def test_a_megabyte_ends(stream: str) -> None:
    assert seconds(stream * 1_000_000) < 5
