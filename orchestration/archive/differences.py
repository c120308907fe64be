"""What a restating edition changed: each figure, mark and decision that reads otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestration.archive.shelf import Review

_WHY = {
    "data": "rows that came late or were corrected",
    "charter": "a change of the programme charter",
    "settings": "a change of settings",
    "code": "a new version of the software",
}
_ABSENT = "not shown"


@dataclass(frozen=True)
class Difference:
    """One thing that reads otherwise: the measure (or decision), the unit, what it was and is."""

    what: str
    unit: str
    was: str
    now: str


def differences(before: Review, after: Review) -> list[Difference]:
    """What changed between two editions of one period, in the scorecard's order."""
    old, new = dict(_texts(before.card)), dict(_texts(after.card))
    return [
        Difference(*key, old.get(key, _ABSENT), new.get(key, _ABSENT))
        for key in dict.fromkeys([*new, *old])
        if old.get(key) != new.get(key)
    ]


def reasons(before: Review, after: Review) -> list[str]:
    """What stood differently under the two editions, in words."""
    return [
        words for name, words in _WHY.items() if before.hashes.get(name) != after.hashes.get(name)
    ]


def _texts(card: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], str]]:
    """(what, unit) -> text of everything a reader acts on."""
    measures = [*_list(card, "kpis"), *_list(card, "below")]
    names = {str(kpi.get("kpi_id")): str(kpi.get("name")) for kpi in measures}
    for kpi in measures:
        name = str(kpi.get("name"))
        yield (name, ""), _text(kpi.get("now"))
        yield (f"{name}, target", ""), _text(kpi.get("target"))
        yield (f"{name}, mark", ""), _text(kpi.get("mark"))
    for item in _list(card, "leadership"):
        yield (str(item.get("name")), ""), _text(item.get("figure"))
    for unit in _list(card, "units"):
        where = str(unit.get("name"))
        yield ("Headcount", where), _text(unit.get("headcount"))
        for kpi_id, figure in (unit.get("figures") or {}).items():
            yield (names.get(kpi_id, kpi_id), where), _text(figure)
    for number, decision in enumerate(_list(card, "decisions"), start=1):
        yield (f"Decision {number}", ""), str(decision.get("what"))


def _list(card: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    items = card.get(name) or []
    return [item for item in items if isinstance(item, Mapping)]


def _text(shown: Any) -> str:
    return str(shown.get("text", _ABSENT)) if isinstance(shown, Mapping) else _ABSENT
