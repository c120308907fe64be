"""Taking a person out of what is or was to be read: drafts, sealed editions, mail in the outbox.

What a page was rendered from is edited, and the page is rendered from it again: its figures stay,
where the person was named stands that somebody was erased. Their own letters go. An edition that
was edited says so (``erasures`` in its ``edition.json``) and gets new hashes, beside the one it was
sealed with; one that does not tell of them keeps every byte.
"""

from __future__ import annotations

import email
import email.policy
import json
import os
import shutil
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from typing import Any

from orchestration.archive.site import archive_folder, build_site
from orchestration.delivery.editions import finish_redaction, is_half_redacted, put_redacted
from orchestration.delivery.mailings import LETTERS, MAILINGS
from orchestration.delivery.rebuild import called_before, render
from orchestration.feeds.landing import file_hash
from orchestration.lake import Lake
from orchestration.operations.backup import plain_files
from orchestration.operations.erase_databases import forget_letters
from orchestration.operations.traces import Place, Traces
from orchestration.problems import Problem
from orchestration.scorecard.draft import FILE as SCORECARD
from orchestration.scorecard.draft import canonical_json, write_beside
from orchestration.settings import Settings
from orchestration.state import Edition, State

_TEXTS = (".html", ".txt", ".ics", ".json", ".eml")
_ASIDE = ".erasing-"


def in_outbox(settings: Settings, state: State, traces: Traces) -> list[Place]:
    """Mail files to them or that tell of them."""
    telling = {
        _plainly(each.edition_id) for each in state.editions() if _tells(Path(each.folder), traces)
    }
    told = [
        file
        for file in plain_files(settings.home / "outbox")
        if _mail_tells(file, traces, _plainly(file.name.partition("--")[0]) in telling)
    ]

    def act() -> None:
        for file in told:
            file.unlink(missing_ok=True)

    return [Place("Mail in the outbox", len(told), act)] if told else []


def in_drafts(settings: Settings, lake: Lake, traces: Traces) -> list[Place]:
    """Drafts of reviews and letters, and the leaders' pages beside them."""
    root = settings.home / "drafts"

    def told() -> list[tuple[str, Path]]:
        return [
            (name, folder)
            for name in MAILINGS
            for folder in sorted((root / name).glob("[!.]*/"))
            if _tells(folder, traces)
        ]

    pages = [file for file in plain_files(root / "leaders") if _file_tells(file, traces)]

    def act() -> None:
        _roll_back(root)
        for name, folder in told():
            new = _edited(settings, name, folder, traces, None)
            _keep_evidence(lake, name, folder, new)
            folder.rename(_beside(folder, "old"))
            new.rename(folder)
            _roll_back(root)
        for file in pages:
            document = [
                page
                for page in json.loads(file.read_bytes())
                if page.get("person_id") not in traces.ids
            ]
            write_beside(file, canonical_json(traces.of_document(document)))

    count = len(told()) + len(_unfinished(root)) + len(pages)
    return [Place("Drafts", count, act)] if count else []


def in_editions(settings: Settings, state: State, lake: Lake, traces: Traces) -> list[Place]:
    """Sealed editions that tell of them, or whose edit was interrupted; with what reads otherwise
    since, which lies beside them."""
    root = settings.home / "editions"

    def told() -> list[Edition]:
        return [each for each in state.editions() if _tells(Path(each.folder), traces)]

    def half() -> list[Edition]:
        return [each for each in state.editions() if is_half_redacted(each)]

    lists = [file for file in root.glob("*/*/*.since.json") if _file_tells(file, traces)]

    def act() -> None:
        _roll_back(root)
        for each in half():
            finish_redaction(state, each)
        for each in told():
            folder = Path(each.folder)
            forget_letters(state, each, _own_letters(folder, traces))
            new = _edited(settings, each.ritual, folder, traces, called_before(state, each))
            _keep_evidence(lake, each.ritual, folder, new)
            put_redacted(state, each, new, _beside(folder, "old"), traces.number)
            _roll_back(root)
        for file in lists:
            write_beside(file, _without(file, traces))

    count = len(told()) + len(half()) + len(_unfinished(root)) + len(lists)
    return [Place("Sealed editions", count, act)] if count else []


def in_archive(settings: Settings, traces: Traces) -> list[Place]:
    """Pages of the archive; it is built again."""
    told = [file for file in plain_files(archive_folder(settings)) if _file_tells(file, traces)]
    return [Place("Pages of the archive", len(told), partial(renew_archive, settings))] * bool(told)


def renew_archive(settings: Settings) -> None:
    """Build the archive again, where there is one: it copies files of editions."""
    if archive_folder(settings).is_dir():
        build_site(settings)


# ---- what tells ----------------------------------------------------------------------------


def _tells(folder: Path, traces: Traces) -> bool:
    """Whether any text of a draft or an edition does, or a letter is theirs."""
    return any(_file_tells(file, traces) for file in plain_files(folder))


def _file_tells(file: Path, traces: Traces) -> bool:
    if file.suffix == ".json":
        return traces.tells(file.name) or _tells_in_json(file.read_bytes(), traces)
    return traces.in_file(file)


def _tells_in_json(content: bytes, traces: Traces) -> bool:
    return traces.in_json(content) or any(
        traces.person_id in letter.get("to", ()) for letter in _listed(content)
    )


def _listed(content: bytes) -> list[dict[str, Any]]:
    """The letters that a list of letters names; none where it is none."""
    try:
        document = json.loads(content)
    except ValueError:
        return []
    rows = document if isinstance(document, list) else []
    return [each for each in rows if isinstance(each, dict) and isinstance(each.get("to"), list)]


def _plainly(edition_id: str) -> str:
    return edition_id.replace("_", "-")


def _mail_tells(file: Path, traces: Traces, edition_tells: bool) -> bool:
    """Whether a mail does; what only its PDF says is known from its edition."""
    message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    if any(traces.tells(str(value)) for value in message.values()):
        return True
    for part in message.walk():
        content = part.get_payload(decode=True)
        if isinstance(content, bytes) and traces.in_content(content):
            return True
        if edition_tells and part.get_content_type() == "application/pdf":
            return True
        if part.get_content_maintype() == "text" and traces.tells(str(part.get_content())):
            return True
    return False


# ---- editing -------------------------------------------------------------------------------


def _beside(folder: Path, what: str) -> Path:
    """Where a folder's copy lies while it is edited."""
    return folder.with_name(f"{_ASIDE}{folder.name}.{what}")


def _unfinished(root: Path) -> list[Path]:
    return sorted(root.glob(f"**/{_ASIDE}*")) if root.is_dir() else []


def _roll_back(root: Path) -> None:
    """Remove what an edit left beside folders; one that was moved away comes back."""
    for left in _unfinished(root):
        folder = left.with_name(left.stem.removeprefix(_ASIDE))
        if left.suffix == ".old" and not folder.exists():
            left.rename(folder)
        else:
            shutil.rmtree(left)


def _edited(
    settings: Settings, name: str, folder: Path, traces: Traces, called: bytes | None
) -> Path:
    """A copy of a draft or an edition without them, beside it; rendered from what it then says."""
    new, pages = _beside(folder, "new"), _beside(folder, "pages")
    dropped = _own_letters(folder, traces)
    for file in plain_files(folder):
        place = file.relative_to(folder)
        if place.parts[0] not in dropped:
            target = new / place
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(_without(file, traces))
            # its age tells whether the pages were drafted after the scorecard
            os.utime(target, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    period_id = folder.name if name == folder.parent.name else folder.parent.name
    try:
        render(settings, name, period_id, new, pages, before=called)
    except Problem:
        # of a version whose pages this one cannot make: what only they can show is not kept
        for file in plain_files(new):
            if file.suffix == ".pdf":
                file.unlink()
        return new
    for file in plain_files(pages):
        if file.name != LETTERS:
            os.replace(file, new / file.relative_to(pages))
    return new


def _own_letters(folder: Path, traces: Traces) -> set[str]:
    """Folders of letters that are about them: the first whom a letter goes to."""
    file = folder / LETTERS
    if not file.is_file():
        return set()
    return {
        letter["folder"]
        for letter in json.loads(file.read_bytes())
        if letter["to"][:1] == [traces.person_id]
    }


def _without(file: Path, traces: Traces) -> bytes:
    content = file.read_bytes()
    if file.name == LETTERS:
        listed = [
            {**letter, "to": [each for each in letter["to"] if each != traces.person_id]}
            for letter in json.loads(content)
            if letter["to"][:1] != [traces.person_id]
        ]
        return json.dumps(traces.of_document(listed), indent=1, ensure_ascii=False).encode() + b"\n"
    if file.suffix == ".json" and _tells_in_json(content, traces):
        document = traces.of_document(json.loads(content))
        # as it was written: what is rendered again from an edition equals it to the byte
        ordered = content == canonical_json(json.loads(content))
        return (
            canonical_json(document)
            if ordered
            else json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n"
        )
    if file.suffix in _TEXTS and file.suffix != ".json":
        return traces.without(content.decode()).encode()
    return content


def _keep_evidence(lake: Lake, name: str, folder: Path, aside: Path) -> None:
    """Have what a scorecard stood on lie under its new hash too."""
    if MAILINGS[name].personal or not (folder / SCORECARD).is_file():
        return
    was, now = (file_hash(each / SCORECARD) for each in (folder, aside))
    place = ("evidence", MAILINGS[name].grain.value, folder.name)
    files = lake.files(*place, was) if was != now and lake.exists(*place, was) else []
    for file in sorted(files, key=lambda name: name.endswith("basis.json")):
        lake.write_bytes(lake.read_bytes(file), *place, now, file.rsplit("/", 1)[1])
