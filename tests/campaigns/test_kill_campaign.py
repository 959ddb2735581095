"""The kill campaign's short form: twenty kills of the real command line. README.md in this folder names the long form."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.campaigns.kill import campaign, markdown
from tests.campaigns.kill_moments import How

SHORT = ("expand", "annotate", "ablate", "export", "batch import")
KILLS = 20


@pytest.mark.slow
def test_a_kill_costs_a_stored_reply_a_row_or_too_many_requests(tmp_path: Path) -> None:
    found = campaign(KILLS, seed=1, folder=tmp_path, names=SHORT)
    assert not found.broken, markdown(found)
    assert found.kills >= KILLS
    assert {line.command for line in found.lines} == set(SHORT)
    assert {line.signal for line in found.lines} == {str(how) for how in How}
    # Kills in vain prove nothing: some must have hit requests under way, and been paid for.
    assert sum(line.repeated for line in found.lines) > 0
    assert sum(line.rows for line in found.lines) > 0
