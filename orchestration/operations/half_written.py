"""What a killed process left beside the files that it was writing.

A file is written aside, under a name that ends in ``.tmp``, and renamed over the old one when it is
whole. Nobody reads such a file; one that stays has no process any more that would rename it.
"""

from __future__ import annotations

from pathlib import Path

from orchestration.operations.backup import plain_files, records_folder
from orchestration.settings import Settings

OURS = frozenset(
    {"archive", "charter", "dagster", "dbt", "drafts", "editions", "erasures", "lake", "landing",
     "locks", "logs", "outbox", "scratch", "spark", "state", "warehouse"}
)  # fmt: skip
"""Folders of the home that the system writes; whatever else lies there is the owner's."""
WORDS = "Files that killed runs left half written"


def half_written(settings: Settings) -> list[Path]:
    """Files of the home that are being written, or never were to their end; not those that others
    write into the landing folder."""
    landing = settings.landing_folder
    places = [settings.home / name for name in sorted(OURS)]
    folders = [records_folder(settings), *(place for place in places if place != landing)]
    return [f for folder in folders for f in plain_files(folder) if f.suffix == ".tmp"]
