"""What a later edition of a period says otherwise, and why: computed from what both stood on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from orchestration.scorecard.evidence import DEFINES, FACTS, PEOPLE, Evidence

FILE = "restatements.json"
LATE = "late rows"
MOVED = "moved people"
ERASED = "erased people"
DEFINITION = "changed definition"
TARGET = "changed target"
CODE = "changed software"
SETTINGS = "changed settings"
HISTORY = "restated earlier periods"
PAGES = "changed software or settings"
UNKNOWN = "cause not found"
_ABSENT = "not shown"
_SHARE_OF = {kpi: model for model, kpis in FACTS.items() for kpi in kpis}


@dataclass(frozen=True)
class Restatement:
    """One thing that reads otherwise: the measure (or decision), the unit, what it was and is.

    Attributes:
        unit: its name; empty for the whole organisation.
        causes: all that apply; none where nothing was kept of what an older edition stood on.
    """

    what: str
    unit: str
    was: str
    now: str
    causes: tuple[str, ...] = ()

    def sentence(self, period_label: str) -> str:
        """'Certified in role, Operations, August 2026: was 86.6 %, is 86.1 % (late rows).'"""
        head = ", ".join(part for part in (self.what, self.unit, period_label) if part)
        why = f" ({', '.join(self.causes)})" if self.causes else ""
        return f"{head}: was {self.was}, is {self.now}{why}."


@dataclass(frozen=True)
class _Shown:
    """One text that a reader acts on, and the KPI and unit whose figure it is."""

    text: str
    kpi_id: str = ""
    org_unit_id: str | None = field(default=None)


def restatements(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    then: Evidence | None = None,
    now: Evidence | None = None,
    *,
    came_late: bool = True,
) -> list[Restatement]:
    """What changed between two editions of one period, in the scorecard's order.

    Only what the pages show is compared, so that a withheld figure stays withheld.

    Args:
        before: the earlier scorecard as JSON, perhaps of an older version; ``after`` the later.
        then: what the earlier one stood on; ``now`` the later one. Causes need both.
        came_late: whether rows of the period arrived in between at all.
    """
    old, new = dict(_texts(before)), dict(_texts(after))
    found = []
    for key in dict.fromkeys([*new, *old]):
        was, is_now = old.get(key), new.get(key)
        if was is not None and is_now is not None and was.text == is_now.text:
            continue
        shown = is_now or was
        assert shown is not None
        found.append(
            Restatement(
                *key,
                was.text if was else _ABSENT,
                is_now.text if is_now else _ABSENT,
                _causes(shown, then, now, came_late),
            )
        )
    return found


def _causes(
    shown: _Shown, then: Evidence | None, now: Evidence | None, came_late: bool
) -> tuple[str, ...]:
    if then is None or now is None:
        return ()  # what an older edition stood on was not kept
    if not shown.kpi_id:  # a headcount, a decision or the leadership line
        return overall(then, now, came_late)
    unit = shown.org_unit_id
    if unit is None:
        unit = next((u for u, above in now.parents.items() if above is None), "")
    return causes(shown.kpi_id, unit, then, now, came_late) or _beneath(then, now)


def causes(
    kpi_id: str, unit: str, then: Evidence, now: Evidence, came_late: bool
) -> tuple[str, ...]:
    """Why one KPI of one unit differs: all causes that apply; none where it does not differ.

    People moved where somebody known both times crossed the unit's border, or a unit did. People
    were erased where they were taken out of what the earlier figures stand on. Rows
    came late (or were corrected) where what is counted of a person, or who is known at all,
    differs, and neither definition nor software does; where they do as well, where rows of the
    period arrived in between.
    """
    was, is_now = then.values.get((kpi_id, unit)), now.values.get((kpi_id, unit))
    found = []
    if was != is_now:
        counted = (was.counted if was else None) != (is_now.counted if is_now else None)
        if counted:
            defined, coded = _redefined(kpi_id, then, now), then.code != now.code
            models = [PEOPLE, *([_SHARE_OF[kpi_id]] if kpi_id in _SHARE_OF else [])]
            if _content_differs(models, unit, then, now) and (came_late or not (defined or coded)):
                found.append(LATE)
            if _moved(unit, then, now):
                found.append(MOVED)
            if then.erased != now.erased:
                found.append(ERASED)
            if defined:
                found.append(DEFINITION)
            if coded:
                found.append(CODE)
            if then.settings != now.settings:
                found.append(SETTINGS)
        if (was.target if was else None) != (is_now.target if is_now else None):
            found.append(TARGET)
    return tuple(found)


def overall(then: Evidence, now: Evidence, came_late: bool) -> tuple[str, ...]:
    """What differs at all beneath two editions."""
    kpis = {kpi for kpi, _ in (*then.values, *now.values)}
    units = {unit for _, unit in (*then.values, *now.values)}
    roots = [unit for unit in units if now.parents.get(unit, then.parents.get(unit)) is None]
    found = {
        cause for kpi in kpis for unit in roots for cause in causes(kpi, unit, then, now, came_late)
    }
    found |= {MOVED for unit in units if _moved(unit, then, now)}
    order = (LATE, MOVED, ERASED, DEFINITION, CODE, TARGET, SETTINGS)
    return tuple(cause for cause in order if cause in found) or _beneath(then, now)


def _beneath(then: Evidence, now: Evidence) -> tuple[str, ...]:
    """Why something reads otherwise though the period's own figures are the same."""
    found = [
        cause
        for cause, differs in (
            (HISTORY, then.history != now.history),
            (
                DEFINITION,
                then.definitions.get("signal_rules") != now.definitions.get("signal_rules"),
            ),
            (PAGES, then.pages != now.pages),
        )
        if differs
    ]
    return tuple(found) or (UNKNOWN,)


def _redefined(kpi_id: str, then: Evidence, now: Evidence) -> bool:
    parts = (f"kpi:{kpi_id}", "population", *DEFINES.get(kpi_id, ()))
    return any(then.definitions.get(part) != now.definitions.get(part) for part in parts)


def _content_differs(models: Sequence[str], unit: str, then: Evidence, now: Evidence) -> bool:
    """Whether rows of people of the unit, then or now, say something else; moving says nothing."""
    if then.persons != now.persons:
        return False
    old_units, new_units = then.within(unit), now.within(unit)
    for model in models:
        old, new = then.facts.get(model, {}), now.facts.get(model, {})
        for person in old.keys() | new.keys():
            was, is_now = old.get(person), new.get(person)
            concerned = (was is not None and was[0] in old_units) or (
                is_now is not None and is_now[0] in new_units
            )
            if was is not None and is_now is not None and was[0] != is_now[0] and model != PEOPLE:
                continue  # what is asked of a person goes with their unit: that they moved says it
            if concerned and (was and was[1]) != (is_now and is_now[1]):
                return True
    return False


def _moved(unit: str, then: Evidence, now: Evidence) -> bool:
    if then.persons != now.persons:
        return False
    old_units, new_units = then.within(unit), now.within(unit)
    old, new = then.facts.get(PEOPLE, {}), now.facts.get(PEOPLE, {})
    return any(
        (old[person][0] in old_units) != (new[person][0] in new_units)
        for person in old.keys() & new.keys()
    )


def to_json(found: Sequence[Restatement]) -> bytes:
    """The list as it is sealed with an edition."""
    return (
        json.dumps([asdict(each) for each in found], indent=1, ensure_ascii=False).encode() + b"\n"
    )


def from_json(content: bytes) -> list[Restatement]:
    """The list of a sealed edition."""
    return [
        Restatement(**{**each, "causes": tuple(each["causes"])}) for each in json.loads(content)
    ]


def _texts(card: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], _Shown]]:
    """(what, unit) -> text of everything a reader acts on."""
    measures = [*_list(card, "kpis"), *_list(card, "below")]
    names = {str(kpi.get("kpi_id")): str(kpi.get("name")) for kpi in measures}
    for kpi in measures:
        name, kpi_id = str(kpi.get("name")), str(kpi.get("kpi_id"))
        yield (name, ""), _Shown(_text(kpi.get("now")), kpi_id)
        yield (f"{name}, target", ""), _Shown(_text(kpi.get("target")), kpi_id)
        yield (f"{name}, mark", ""), _Shown(_text(kpi.get("mark")), kpi_id)
    for item in _list(card, "leadership"):
        yield (str(item.get("name")), ""), _Shown(_text(item.get("figure")))
    for unit in _list(card, "units"):
        where, unit_id = str(unit.get("name")), str(unit.get("org_unit_id"))
        yield ("Headcount", where), _Shown(_text(unit.get("headcount")))
        for kpi_id, figure in (unit.get("figures") or {}).items():
            yield (names.get(kpi_id, kpi_id), where), _Shown(_text(figure), kpi_id, unit_id)
    for number, decision in enumerate(_list(card, "decisions"), start=1):
        yield (f"Decision {number}", ""), _Shown(str(decision.get("what")))


def _list(card: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    items = card.get(name) or []
    return [item for item in items if isinstance(item, Mapping)]


def _text(shown: Any) -> str:
    return str(shown.get("text", _ABSENT)) if isinstance(shown, Mapping) else _ABSENT
