from __future__ import annotations

from filters.reading import REPAIRS
from filters.rules import OPTIONAL, RULES
from tests.conftest import REPOSITORY


def test_a_rule_or_repair_is_not_documented() -> None:
    text = (REPOSITORY / "docs" / "rules.md").read_text("utf-8")
    names = [rule.name for rule in (*RULES, *OPTIONAL)] + list(REPAIRS)
    assert [name for name in names if f"| `{name}` |" not in text] == []
