"""Rendering a sealed edition again, from the figures sealed in it, and comparing every byte.

Nothing is written to the edition. What was sealed is held against its hashes first, so that a
difference tells of the software or its settings and never of a changed file.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from orchestration.delivery.editions import MANIFEST, settings_hash, verify
from orchestration.delivery.mailings import LETTERS, MAILINGS
from orchestration.periods import Period
from orchestration.problems import Problem
from orchestration.quality.close import code_version
from orchestration.review.assets import page_renderer
from orchestration.review.draft_files import KITS, PAGE, PREVIEW, SHEETS
from orchestration.review.invitation import invitation
from orchestration.review.kit import read_kit_page, render_kits
from orchestration.review.letters import render_previews, render_sheets
from orchestration.scorecard.draft import FILE as SCORECARD
from orchestration.scorecard.draft import read_page, read_scorecard
from orchestration.scorecard.restated import FILE as RESTATEMENTS
from orchestration.settings import Settings
from orchestration.state import Edition, State


@dataclass(frozen=True)
class Rebuilt:
    """How an edition rendered again compares with what was sealed; names are of its files.

    Attributes:
        same: files with the same bytes.
        different: files with other bytes.
        missing: sealed, and not rendered any more.
        added: rendered now, and not sealed.
        sealed_by: the version of the software that sealed it; ``rendered_by`` the one that runs.
        same_settings: whether it was sealed under the settings that are in force.
    """

    edition_id: str
    same: tuple[str, ...]
    different: tuple[str, ...]
    missing: tuple[str, ...]
    added: tuple[str, ...]
    sealed_by: str
    rendered_by: str
    same_settings: bool

    @property
    def identical(self) -> bool:
        """Whether every file is the same to the byte."""
        return not (self.different or self.missing or self.added)

    @property
    def under(self) -> str:
        """Under which software and settings it was rendered, against those that sealed it."""
        if self.sealed_by == self.rendered_by:
            version = f"by the version that sealed it ({self.sealed_by})"
        else:
            version = (
                f"by another version than sealed it (sealed by {self.sealed_by}, rendered by "
                f"{self.rendered_by})"
            )
        return f"{version}, under {'the same' if self.same_settings else 'other'} settings"


def rebuild(state: State, settings: Settings, edition_id: str) -> Rebuilt:
    """Render a sealed edition again, aside, and compare.

    Args:
        edition_id: such as ``monthly-2026-10-edition-1``.

    Raises:
        Problem: there is no such edition, its files are not as sealed, or it holds nothing that it
            can be rendered from.
    """
    edition = _find(state, edition_id)
    verify(edition)
    sealed = _contents(Path(edition.folder))
    with tempfile.TemporaryDirectory(prefix="rebuild-") as aside:
        folder = Path(aside) / "edition"
        _render(state, settings, edition, folder)
        rendered = _contents(folder)
    both = sorted(sealed.keys() & rendered.keys())
    return Rebuilt(
        edition_id=edition_id,
        same=tuple(name for name in both if sealed[name] == rendered[name]),
        different=tuple(name for name in both if sealed[name] != rendered[name]),
        missing=tuple(sorted(sealed.keys() - rendered.keys())),
        added=tuple(sorted(rendered.keys() - sealed.keys())),
        sealed_by=edition.code_version,
        rendered_by=code_version(),
        same_settings=edition.settings_hash == settings_hash(settings),
    )


def _find(state: State, edition_id: str) -> Edition:
    found = next((each for each in state.editions() if each.edition_id == edition_id), None)
    if found is None:
        known = [each.edition_id for each in state.editions()][-5:]
        raise Problem(
            f"there is no edition {edition_id}.",
            remedy=f"name one of these: {', '.join(known)}."
            if known
            else "nothing was sealed yet.",
        )
    return found


def _render(state: State, settings: Settings, edition: Edition, folder: Path) -> None:
    render(
        settings,
        edition.ritual,
        edition.period_id,
        Path(edition.folder),
        folder,
        before=called_before(state, edition),
    )


def render(
    settings: Settings,
    ritual: str,
    period_id: str,
    source: Path,
    folder: Path,
    *,
    before: bytes | None = None,
) -> None:
    """Render a review or its letters from what lies in ``source``, a draft or an edition.

    Args:
        before: the invitation of the edition that this one restates.

    Raises:
        Problem: there is nothing that it can be rendered from.
    """
    mailing = MAILINGS[ritual]
    if not mailing.personal:
        scorecard = read_scorecard(source / SCORECARD)
        calendar = (
            None
            if scorecard.sitting is None
            else invitation(scorecard, settings.delivery.sender, before=before)
        )
        page_renderer(Period.parse(period_id).grain)(scorecard, folder, calendar)
        return
    # the list keeps the order in which the letters were drafted
    listed = json.loads((source / LETTERS).read_bytes())
    pages = [source / letter["folder"] / PAGE for letter in listed if letter.get("rendered", True)]
    if not all(page.is_file() for page in pages):
        raise Problem(
            f"the {mailing.words} of {period_id} cannot be rendered again: it was sealed "
            "by a version that kept the texts as they were sent, and not what these were made "
            "from.",
            file=str(source),
            remedy=f"the sealed files are as they were sent; {MANIFEST} lists every file's hash.",
        )
    if ritual in KITS:
        render_kits([read_kit_page(page) for page in pages], folder)
    elif ritual == PREVIEW:
        render_previews([read_page(page) for page in pages], folder)
    else:
        assert ritual == SHEETS
        render_sheets([read_page(page) for page in pages], folder)


def called_before(state: State, edition: Edition) -> bytes | None:
    """The invitation of the edition that this one restates."""
    earlier = [
        each
        for each in state.editions(edition.ritual)
        if each.period_id == edition.period_id and each.number < edition.number
    ]
    if not earlier:
        return None
    folder = Path(max(earlier, key=lambda each: each.number).folder)
    name = json.loads((folder / "email.json").read_bytes()).get("calendar")
    return (folder / Path(name).name).read_bytes() if name else None


def _contents(folder: Path) -> dict[str, bytes]:
    """The content of every file by its name; what the edition restated is no rendering."""
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name not in (MANIFEST, RESTATEMENTS)
    }
