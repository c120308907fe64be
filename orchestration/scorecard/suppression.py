"""Which org units' figures may be shown, so that no small group can be worked out.

A figure of a unit covers the people of its subtree. What a reader can compute from the shown
figures by ``unit = sum(children) + people directly in the unit`` is exactly every union of
*remainders*: the remainder of a shown unit is its subtree without the subtrees of the nearest shown
units below it (remainders are disjoint, and every shown subtree is a union of them). So small
groups are safe if and only if no remainder holds between one and ``threshold - 1`` people. That
one condition hides small groups and the complementary cells that would give them away, those of
people directly in a unit included; ``tests/scorecard/test_suppression.py`` proves it by linear
algebra, and ``tests/disclosure.py`` does so over everything that an edition shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

Tree = Mapping[str, str | None]
"""Unit -> parent unit; a parent that is None or unknown makes a root."""


def hidden_units(tree: Tree, people: Mapping[str, int], threshold: int) -> frozenset[str]:
    """The units whose figure must be withheld.

    Args:
        tree: the units that are on the page.
        people: distinct people behind the figure, subtree included; absent means nobody. A figure
            that stands for nobody protects nobody and is never hidden (it has no value).
        threshold: groups smaller than this are withheld.

    Returns:
        Small groups, and of all further units needed so that none can be derived those that stand
        for the fewest people together (then the fewest units).
    """
    units = _Units(tree, people)
    # below[unit][left]: the cheapest way to withhold beneath a unit so that its remainder, were
    # it shown, holds `left` people (or more, where `left` is the threshold)
    below: dict[str, dict[int, _Choice]] = {}
    hidden: list[str] = []
    for unit in reversed(units.order):  # children before parents
        own = units.people[unit] - sum(units.people[child] for child in units.children[unit])
        found: dict[int, _Choice] = {min(max(own, 0), threshold): _NOTHING}
        for child in sorted(units.children[unit]):
            found = _joined(
                found, _ways(child, units.people[child], below.pop(child), threshold), threshold
            )
        below[unit] = found
    for unit, choices in below.items():  # the roots
        ways = _ways(unit, units.people[unit], choices, threshold)
        # a whole is the headline of every page: it is withheld only where it is itself small
        hidden += (ways.get(0) or min(ways.values(), key=_cost)).units()
    return frozenset(hidden)


class _Choice(NamedTuple):
    """Units withheld, and what that costs."""

    people: int
    cells: int
    last: str
    parts: tuple[_Choice, ...]

    def units(self) -> list[str]:
        found, stack = [], [self]
        while stack:
            choice = stack.pop()
            if choice.last:
                found.append(choice.last)
            stack.extend(choice.parts)
        return found


_NOTHING = _Choice(0, 0, "", ())


def _cost(choice: _Choice) -> tuple[int, int]:
    return choice.people, choice.cells


def _ways(
    unit: str, people: int, below: Mapping[int, _Choice], threshold: int
) -> dict[int, _Choice]:
    """What a unit adds to the remainder above it -> the cheapest way to do so."""
    ways: dict[int, _Choice] = {}
    shown = [c for left, c in below.items() if people == 0 or left == 0 or left >= threshold]
    if shown and not 0 < people < threshold:
        ways[0] = min(shown, key=_cost)
    if people > 0:
        for left, choice in below.items():
            withheld = _Choice(choice.people + people, choice.cells + 1, unit, (choice,))
            if left not in ways or _cost(withheld) < _cost(ways[left]):
                ways[left] = withheld
    return ways


def _joined(
    one: Mapping[int, _Choice], other: Mapping[int, _Choice], threshold: int
) -> dict[int, _Choice]:
    """Two parts of a remainder together; more than the threshold is as good as the threshold."""
    found: dict[int, _Choice] = {}
    for left, first in one.items():
        for more, second in other.items():
            choice = _Choice(
                first.people + second.people, first.cells + second.cells, "", (first, second)
            )
            at = min(left + more, threshold)
            if at not in found or _cost(choice) < _cost(found[at]):
                found[at] = choice
    return found


def remainders(
    tree: Tree, people: Mapping[str, int], hidden: frozenset[str] | set[str]
) -> dict[str, int]:
    """People in the remainder of each shown unit: the finest groups a reader can compute."""
    units = _Units(tree, people)
    return {u: units.remainder(u, hidden) for u in units.order if u not in hidden}


def hidden_parts(parts: Mapping[str, int], threshold: int) -> frozenset[str]:
    """The parts of a known total that must be withheld: small ones and their complements."""
    whole = "whole"
    names = {name: f"part {name}" for name in parts}
    tree: dict[str, str | None] = {whole: None, **dict.fromkeys(names.values(), whole)}
    people = {names[name]: count for name, count in parts.items()}
    people[whole] = sum(parts.values())
    hidden = hidden_units(tree, people, threshold)
    if whole in hidden:
        return frozenset(name for name, count in parts.items() if count)
    return frozenset(name for name in parts if names[name] in hidden)


def depth_first(tree: Tree, names: Mapping[str, str] | None = None) -> list[str]:
    """The units parents first, siblings by name and id; a cycle is broken at its first unit."""
    names = names or {}
    children: dict[str | None, list[str]] = {}
    for unit, parent in tree.items():
        children.setdefault(parent if parent in tree and parent != unit else None, []).append(unit)
    for group in children.values():
        group.sort(key=lambda u: (names.get(u, ""), u), reverse=True)
    order: list[str] = []
    seen: set[str] = set()

    def walk(start: list[str]) -> None:
        stack = list(start)
        while stack:
            unit = stack.pop()
            if unit not in seen:
                seen.add(unit)
                order.append(unit)
                stack.extend(children.get(unit, []))

    walk(children.get(None, []))
    for unit in sorted(tree):
        walk([unit])
    return order


class _Units:
    """A tree with its people, ready for remainders."""

    def __init__(self, tree: Tree, people: Mapping[str, int]) -> None:
        self.order = depth_first(tree)
        place = {unit: i for i, unit in enumerate(self.order)}
        self.children: dict[str, list[str]] = {unit: [] for unit in self.order}
        for unit, parent in tree.items():
            # an edge of a cycle points back up the order and is dropped
            if parent in place and parent is not None and place[parent] < place[unit]:
                self.children[parent].append(unit)
        self.people = {unit: people.get(unit, 0) for unit in self.order}

    def nearest_shown(self, unit: str, hidden: frozenset[str] | set[str]) -> list[str]:
        """The topmost shown units below ``unit``."""
        found, stack = [], list(self.children[unit])
        while stack:
            child = stack.pop()
            if child in hidden:
                stack.extend(self.children[child])
            else:
                found.append(child)
        return found

    def remainder(self, unit: str, hidden: frozenset[str] | set[str]) -> int:
        """People of the subtree that are in no shown unit below ``unit``; never negative."""
        below = sum(self.people[child] for child in self.nearest_shown(unit, hidden))
        return max(0, self.people[unit] - below)
