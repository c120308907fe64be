"""The archive: what is in it, what never is, and that it is whole at every moment."""

from __future__ import annotations

import os
import re
import shutil
import signal
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import duckdb
import pytest
from click.testing import CliRunner

from orchestration.archive import site
from orchestration.archive.pages import build_pages
from orchestration.archive.shelf import DecisionLog, decision_log, reviews_of
from orchestration.archive.site import build_site, write_site
from orchestration.command import cli
from orchestration.lake import Lake
from orchestration.periods import Grain, Period
from orchestration.problems import Problem
from orchestration.settings import Settings
from orchestration.state import State
from orchestration.warehouse.published import publish
from tests.archive.conftest import LOG, QUALITY, SECRET
from tests.warehouse.small_lake import PSEUDONYMS

SITE = [
    "decisions.html",
    "index.html",
    "monthly.html",
    "monthly/2026-08/not-sent.html",
    "monthly/2026-08/not-sent/review-pack.pdf",
    "monthly/2026-08/not-sent/scorecard.pdf",
    "monthly/2026-09/edition-1.html",
    "monthly/2026-09/edition-1/review-pack.pdf",
    "monthly/2026-09/edition-1/scorecard.pdf",
    "monthly/2026-10/edition-1.html",
    "monthly/2026-10/edition-1/review-pack.pdf",
    "monthly/2026-10/edition-1/scorecard.pdf",
    "monthly/2026-10/edition-2.html",
    "monthly/2026-10/edition-2/review-pack.pdf",
    "monthly/2026-10/edition-2/scorecard.pdf",
    "quarterly.html",
    "quarterly/2026-Q3/edition-1.html",
    "quarterly/2026-Q3/edition-1/scorecard.pdf",
    "quarterly/2026-Q3/edition-1/strategy-pack.pdf",
    "restatements.html",
    "weekly.html",
    "weekly/2026-W44/edition-1.html",
]


class _Links(HTMLParser):
    """Every address that a page leads to or loads, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src", "srcset", "action", "poster") and value is not None:
                self.links.append(value)
            if name == "id" and value:
                self.ids.add(value)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def read(folder: Path, name: str) -> _Links:
    return _Links((folder / name).read_text(encoding="utf-8"))


def files_of(folder: Path) -> list[str]:
    return sorted(f.relative_to(folder).as_posix() for f in folder.rglob("*") if f.is_file())


def broken_links(folder: Path) -> list[str]:
    """Links of any page that is reached from the index and leads nowhere, or out of the site."""
    if not (folder / "index.html").exists():
        return []
    broken, seen, waiting = [], {"index.html"}, ["index.html"]
    while waiting:
        name = waiting.pop()
        page = read(folder, name)
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or parts.path.startswith("/"):
                broken.append(f"{name}: {link} leads out")
                continue
            if not parts.path:
                if parts.fragment not in page.ids:
                    broken.append(f"{name}: {link}")
                continue
            target = os.path.normpath(PurePosixPath(name).parent / unquote(parts.path))
            if not (folder / target).is_file():
                broken.append(f"{name}: {link}")
            elif target.endswith(".html") and target not in seen:
                seen.add(target)
                waiting.append(target)
    return broken


@pytest.fixture(scope="session")
def built(archived: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the archived home, with a decision log."""
    folder = tmp_path_factory.mktemp("site")
    write_site(folder, build_pages(reviews_of(archived), LOG, archived))
    return folder


def test_every_edition_is_in_it_and_every_link_leads_somewhere(built: Path) -> None:
    assert files_of(built) == SITE
    assert broken_links(built) == []
    page = (built / "monthly/2026-10/edition-2.html").read_text(encoding="utf-8")
    assert "http://" not in page and "https://" not in page and "<script" not in page


def test_the_index_has_the_newest_first_and_says_what_was_not_sent(built: Path) -> None:
    text = read(built, "index.html").text
    assert "Four reviews sent, one review archived and not sent." in text
    titles = re.findall(
        r"(?:Weekly stand-up|Monthly review|Quarterly sync), [A-Z]\w+ \d+(?:, \d+)?", text
    )
    assert titles == [
        "Weekly stand-up, Week 44, 2026",  # ends on 1 November
        "Monthly review, October 2026",
        "Quarterly sync, Q3 2026",
        "Monthly review, September 2026",
        "Monthly review, August 2026",
    ]
    assert "Archived, not sent" in text
    assert "Monthly review, November" not in text  # drafted, not yet published
    assert "Weekly stand-up" not in read(built, "monthly.html").text


def test_an_edition_shows_what_was_sealed(built: Path, archived: Settings) -> None:
    first = read(built, "monthly/2026-10/edition-1.html")
    assert "86.2\u00a0%" in "".join(first.words) and "87.0" not in first.text
    assert "A later edition replaces this one: Edition 2" in first.text
    second = read(built, "monthly/2026-10/edition-2.html")
    assert "Certified in role: was 86.2 %, is 87.0 %" in second.text
    assert "Because of rows that came late or were corrected." in second.text
    with State.open(archived) as state:
        sealed = Path(state.editions("monthly")[1].folder)
    assert sealed.name == "edition-1"
    copied = built / "monthly/2026-10/edition-1/review-pack.pdf"
    assert copied.read_bytes() == (sealed / "review-pack.pdf").read_bytes()


def test_restatements_say_what_was_and_what_is(built: Path) -> None:
    text = read(built, "restatements.html").text
    assert "Monthly review, October 2026, edition 2" in text
    assert "Certified in role Whole organisation Was 86.2 % Is 87.0 %" in text


def test_the_log_has_the_longest_waiting_first(built: Path) -> None:
    page = read(built, "decisions.html")
    text = page.text.replace("\u00a0", " ")
    assert "As it stood on 31 October 2026" in text
    assert text.index("Safety basics 2019") < text.index("<script>alert(1)</script>")
    assert "Decision, Operations, GBP 12,500" in text
    assert "Due 23 October 2026" in text and "overdue" in text and "Waited 22 days" in text
    assert "Decided 11 September 2026" in text and "Agreed, up to the limit" in text
    assert "Decided by somebody without the right to" in text
    assert "The owner is not known" in text and "Program lead" in text


def test_hostile_text_is_shown_as_text(built: Path) -> None:
    page = (built / "quarterly/2026-Q3/edition-1.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page and "<script" not in page
    assert "Strategy pack" in read(built, "quarterly/2026-Q3/edition-1.html").text


def test_data_quality_has_what_needs_somebody_first(archived: Settings, tmp_path: Path) -> None:
    pages = build_pages(reviews_of(archived), LOG, archived, QUALITY, {"people": "<p>drawn</p>"})
    write_site(tmp_path, pages)
    assert broken_links(tmp_path) == []
    text = read(tmp_path, "quality.html").text
    assert "One of 2 feeds needs somebody now." in text
    assert text.index("People") < text.index("Leader actions")
    assert re.search(
        r"People.*Refused.*28\sOctober\s2026.*4\sof\s1,204.*HR systems", text, re.DOTALL
    )
    feed = read(tmp_path, "quality/people.html").text
    for words in (
        "The newest delivery was refused, since 28 October 2026.",
        "file people_2026-10-28.csv, column Email: the column is missing".capitalize(),
        "The data ends on 28 September 2026, 39 days ago",
        "To resolve: send the column under its declared name",
        "person_id: #0a1b2c3d",
        "What it said is no longer kept.",
        "28 September 2026, number 2",
    ):
        assert words.lower() in feed.lower(), words
    later = replace(QUALITY[0], deliveries=QUALITY[0].deliveries[1:])
    shown = build_pages(reviews_of(archived), LOG, archived, [later])["quality/people.html"]
    assert isinstance(shown, bytes)
    assert b"A delivery was refused and not delivered again, since 28" in shown
    page = (tmp_path / "quality/people.html").read_text(encoding="utf-8")
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 6 and "<script" not in page
    assert "{{7*7}}" in page and "49" not in re.sub(r"\d{4}", "", feed.replace("{{7*7}}", ""))
    assert (
        "Nothing delivered. Owner: Programme office. Optional, and no delivery"
        in read(tmp_path, "quality/leader_actions.html").text
    )


def test_private_mail_is_never_in_it(built: Path) -> None:
    for name in files_of(built):
        assert "kit" not in name and "letter" not in name
        assert SECRET.encode() not in (built / name).read_bytes()


def test_sealed_letters_are_never_in_it(reviewed: Settings) -> None:
    from orchestration.delivery.editions import seal
    from tests.archive.conftest import PROVENANCE
    from tests.delivery.conftest import make_audience, make_draft

    draft = make_draft(reviewed.home / "drafts" / "quarterly_sheets" / "2026-Q3", SECRET)
    with State.open(reviewed) as state:
        state.open_intent("quarterly_sheets", "2026-Q3", opened_by="schedule")
        period = Period.parse("2026-Q3")
        audience = make_audience("ada@example.org")
        seal(state, reviewed, "quarterly_sheets", period, draft, audience, PROVENANCE)
    built = build_site(reviewed)
    assert (built.editions, built.unsent) == (5, 1)
    assert files_of(built.index.parent) == SITE


def test_an_empty_home_gives_a_site_that_says_so(settings: Settings) -> None:
    built = build_site(settings)
    assert files_of(built.index.parent) == ["decisions.html", "index.html"]
    assert "No review has been sent yet" in read(built.index.parent, "index.html").text
    assert "has been recorded yet" in read(built.index.parent, "decisions.html").text
    assert broken_links(built.index.parent) == []


def test_building_again_writes_nothing(reviewed: Settings) -> None:
    first = build_site(reviewed)
    assert (first.written, first.unchanged, first.removed) == (len(SITE), 0, 0)
    moments = {f: (first.index.parent / f).stat().st_mtime_ns for f in SITE}
    second = build_site(reviewed)
    assert (second.written, second.unchanged, second.removed) == (0, len(SITE), 0)
    assert moments == {f: (first.index.parent / f).stat().st_mtime_ns for f in SITE}


def test_a_build_killed_at_any_file_leaves_no_broken_link(
    archived: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviews = reviews_of(archived)
    after = build_pages(reviews, LOG, archived)
    # the site before October was restated, and while August had an edition that is gone now
    before = build_pages([r for r in reviews if r.number != 2], DecisionLog(), archived)
    before["monthly/2026-07/edition-1.html"] = b"<p>gone</p>"
    before["index.html"] = bytes(before["index.html"]).replace(
        b"</main>", b'<a href="monthly/2026-07/edition-1.html">July</a></main>'
    )

    class Killed(BaseException):
        pass

    for start in ({}, before):
        steps = 0
        while True:
            folder = tmp_path / "site"
            shutil.rmtree(folder, ignore_errors=True)
            write_site(folder, start)
            left = steps

            def dies(*arguments: object, real=os.replace) -> None:
                nonlocal left
                if left == 0:
                    raise Killed
                left -= 1
                real(*arguments)

            with monkeypatch.context() as patched:
                patched.setattr(site.os, "replace", dies)
                try:
                    write_site(folder, after)
                except Killed:
                    assert broken_links(folder) == []
                    steps += 1
                    continue
            break
        assert steps >= 5
        assert files_of(folder) == sorted(after)


@pytest.mark.parametrize("files", [0, 5, 12])
def test_a_process_killed_while_it_writes_is_made_good(
    archived: Settings, tmp_path: Path, files: int
) -> None:
    pages = build_pages(reviews_of(archived), LOG, archived)
    folder = tmp_path / "site"
    child = os.fork()
    if child == 0:
        real, left = os.replace, files

        def dies(*arguments: Any) -> None:
            nonlocal left
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            real(*arguments)

        site.os.replace = dies
        write_site(folder, pages)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert len(files_of(folder)) == files + 1  # the last one half done
    assert broken_links(folder) == []
    assert write_site(folder, pages) == (len(SITE) - files, files, 1)
    assert files_of(folder) == SITE


def test_what_a_killed_build_left_is_cleared(settings: Settings) -> None:
    folder = build_site(settings).index.parent
    (folder / "monthly" / "2026-10").mkdir(parents=True)
    (folder / "monthly" / "2026-10" / ".edition-1.html.0f.tmp").write_text("half")
    assert build_site(settings).removed == 1
    assert files_of(folder) == ["decisions.html", "index.html"]
    assert not (folder / "monthly").exists()


def test_an_edition_that_was_tampered_with_is_named_and_not_shown(reviewed: Settings) -> None:
    with State.open(reviewed) as state:
        september = Path(state.editions("monthly")[0].folder)
    file = september / "scorecard.html"
    file.chmod(0o644)
    file.write_text("<body><main>All is well</main></body>")
    built = build_site(reviewed)
    assert built.faults == ("monthly 2026-09: edition 1 of 2026-09 is not as it was sealed.",)
    page = read(built.index.parent, "monthly/2026-09/edition-1.html")
    assert "is not as it was sealed" in page.text and "All is well" not in page.text
    assert not (built.index.parent / "monthly/2026-09/edition-1").exists()
    assert broken_links(built.index.parent) == []
    assert "86.2" in read(built.index.parent, "monthly/2026-10/edition-1.html").text


def test_a_held_review_is_not_shown_as_archived(reviewed: Settings) -> None:
    with State.open(reviewed) as state:
        intent = state.open_intent("monthly", "2026-08", opened_by="schedule")
        state.hold_intent(intent.intent_id, "stale", by="system")
    assert "2026-08" not in {review.period.id for review in reviews_of(reviewed)}


def test_a_disk_that_refuses_is_a_clear_problem(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(site, "save", full)
    with pytest.raises(Problem, match="No space left on device"):
        build_site(settings)


def test_no_published_log_is_no_log(settings: Settings) -> None:
    assert decision_log(Lake(settings.lake_url, settings.duckdb), "leaders").as_of is None


def test_the_log_is_the_latest_published_and_names_leaders_only(settings: Settings) -> None:
    lake = Lake(settings.lake_url, settings.duckdb)
    people = "CAST('{}' AS VARCHAR) AS owner_person_id, CAST('{}' AS VARCHAR) AS owner_role"
    for grain, period_id, title in (
        (Grain.WEEK, "2026-W43", "of the week"),
        (Grain.MONTH, "2026-09", "of September"),
        (Grain.MONTH, "2026-10", "of October"),
    ):
        period = Period.parse(period_id)
        tables = {
            "decision_log": f"SELECT 'D-1' AS entry_id, '{title}' AS title, "
            + people.format("P-1", "sponsor")
            + f" UNION ALL SELECT 'D-2', '{title}', "
            + people.format("P-2", "program_lead"),
            "named_leaders": "SELECT 'P-1' AS person_id, 'Marcus Lindqvist' AS full_name, "
            "'sponsor' AS role",
            "governance": "SELECT 'program_lead' AS role, 'P-2' AS person_id, "
            "'Somebody Private' AS full_name, '*' AS org_unit_id, true AS is_active, "
            "NULL AS deputy_person_id, NULL AS deputy_name, false AS deputy_is_active",
            "org_units": "SELECT 'OPS' AS org_unit_id, 'Operations' AS name",
        }
        with duckdb.connect() as warehouse:
            for model, query in tables.items():
                warehouse.execute(
                    f"CREATE TABLE {model}__{grain} AS "
                    f"SELECT DATE '{period.start}' AS period_start, * FROM ({query})"
                )
            models = [f"{model}__{grain}" for model in tables]
            publish(lake, warehouse, grain, [(period, "build-1")], models, PSEUDONYMS)
    log = decision_log(lake, "leaders")
    assert (log.as_of, log.units) == (date(2026, 10, 31), {"OPS": "Operations"})
    assert [(row["title"], row["owner"]) for row in log.rows] == [
        ("of October", "Marcus Lindqvist"),
        ("of October", "programme lead"),
    ]
    assert [row["owner"] for row in decision_log(lake, "none").rows] == [
        "sponsor",
        "programme lead",
    ]
    pages = build_pages([], log, settings)
    assert "Somebody Private" not in bytes(pages["decisions.html"]).decode()


def test_the_command_says_where_it_lies(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.command.load_settings", lambda: settings)
    told = CliRunner().invoke(cli, ["archive"])
    assert told.exit_code == 0, told.output
    assert "Editions sent: 0; reviews archived and not sent: 0." in told.output
    assert str(settings.home / "archive" / "index.html") in told.output.replace("\n", "")
