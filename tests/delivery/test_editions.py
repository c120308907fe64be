from __future__ import annotations

from orchestration.delivery.channels import open_channel
from orchestration.delivery.editions import deliver
from tests.delivery.conftest import seal_edition


def test_line(state, settings, draft):
    edition = seal_edition(state, settings, draft, "a@example.org", "b@example.org")
    channel = open_channel(settings)
    report = deliver(state, settings, edition, channel, "run-1")
    print(report)
    assert (report.sent, report.accepted, report.settled) == (2, 2, True)
    again = deliver(state, settings, edition, channel, "run-2")
    assert (again.mode, again.sent, again.accepted) == ("archived", 0, 2)
    assert len(list((settings.home / "outbox").glob("*.eml"))) == 2
    print(next((settings.home / "outbox").glob("*.eml")).read_bytes()[:1500].decode())
