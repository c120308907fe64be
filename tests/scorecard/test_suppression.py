"""No small group can be worked out from what is shown: by linear algebra, on every subset.

The reader is assumed to know the organisation (the tree, and which units have nobody directly in
them) and every shown figure's additive parts. Unknown are the figures of the people directly in
each unit; a shown unit gives the sum over its subtree. A group of units' own people can be
computed exactly if its indicator lies in the row space of the shown subtrees.
"""

from __future__ import annotations

import random
from itertools import product

import numpy as np
import pytest

from orchestration.scorecard.suppression import (
    Tree,
    depth_first,
    hidden_parts,
    hidden_units,
    remainders,
)


def subtree(tree: Tree, unit: str) -> set[str]:
    found = {unit}
    while True:
        more = {u for u, parent in tree.items() if parent in found} - found
        if not more:
            return found
        found |= more


def rolled_up(tree: Tree, own: dict[str, int]) -> dict[str, int]:
    return {unit: sum(own[u] for u in subtree(tree, unit)) for unit in tree}


def computable(tree: Tree, own: dict[str, int], shown: set[str]) -> tuple[list[str], np.ndarray]:
    """Units with people of their own, and every non-empty subset of them that is computable."""
    atoms = [unit for unit in sorted(tree) if own[unit] > 0]
    if not atoms:
        return atoms, np.zeros((0, 0))
    rows = [[float(a in subtree(tree, s)) for a in atoms] for s in sorted(shown)]
    basis = np.array(rows) if rows else np.zeros((1, len(atoms)))
    subsets = np.array(list(product((0.0, 1.0), repeat=len(atoms)))[1:])
    projection = np.linalg.pinv(basis) @ basis
    left = np.abs(subsets - subsets @ projection).max(axis=1)
    return atoms, subsets[left < 1e-9]


def check(tree: Tree, own: dict[str, int], threshold: int) -> frozenset[str]:
    people = rolled_up(tree, own)
    hidden = hidden_units(tree, people, threshold)
    shown = {unit for unit in tree if unit not in hidden}
    for unit in shown:
        assert people[unit] == 0 or people[unit] >= threshold
    for unit in hidden:
        assert people[unit] > 0, "a figure of nobody needs no hiding"
    atoms, groups = computable(tree, own, shown)
    if atoms:
        sizes = groups @ np.array([float(own[a]) for a in atoms])
        assert not ((sizes > 0) & (sizes < threshold)).any(), (tree, own, hidden)
        for unit in hidden:  # neither small nor complementary cells can be computed
            wanted = np.array([float(a in subtree(tree, unit)) for a in atoms])
            assert not (np.abs(groups - wanted).max(axis=1) < 1e-9).any(), (tree, own, hidden, unit)
    return hidden


def test_random_small_trees() -> None:
    chance = random.Random(20261031)
    complementary = 0
    for _ in range(1500):
        size = chance.randint(1, 9)
        names = [f"u{i}" for i in range(size)]
        tree: dict[str, str | None] = {"u0": None}
        for i in range(1, size):
            tree[names[i]] = names[chance.randrange(i)]
        own = {name: chance.choice([0, 0, 1, 2, 3, 4, 5, 6, 9, 20]) for name in names}
        threshold = chance.choice([2, 3, 5, 5, 10])
        hidden = check(tree, own, threshold)
        people = rolled_up(tree, own)
        complementary += any(people[unit] >= threshold for unit in hidden)
    assert complementary > 150  # the hard cases did occur


def test_every_small_tree_of_four_units() -> None:
    """All shapes of up to four units, all own counts of a threshold of 3."""
    for parents in product(["a"], ["a", "b"], ["a", "b", "c"]):
        tree = dict(zip("abcd", [None, *parents], strict=True))
        for counts in product([0, 1, 2, 3], repeat=4):
            check(tree, dict(zip("abcd", counts, strict=True)), 3)


def test_a_small_child_takes_its_smallest_sibling_with_it() -> None:
    tree = {"whole": None, "a": "whole", "b": "whole", "c": "whole"}
    people = {"whole": 63, "a": 3, "b": 20, "c": 40}
    assert hidden_units(tree, people, 5) == {"a", "b"}


def test_two_small_children_protect_each_other() -> None:
    tree = {"whole": None, "a": "whole", "b": "whole", "c": "whole"}
    assert hidden_units(tree, {"whole": 47, "a": 3, "b": 4, "c": 40}, 5) == {"a", "b"}
    # but not when even their sum is a small group
    assert hidden_units(tree, {"whole": 43, "a": 1, "b": 2, "c": 40}, 5) == {"a", "b", "c"}


def test_the_few_people_directly_in_a_unit_are_protected_too() -> None:
    """A director and an assistant above two large teams: parent less teams would be theirs."""
    tree = {"whole": None, "a": "whole", "b": "whole"}
    assert hidden_units(tree, {"whole": 62, "a": 20, "b": 40}, 5) == {"a"}
    assert hidden_units(tree, {"whole": 65, "a": 20, "b": 40}, 5) == frozenset()


def test_a_complement_below_which_all_is_shown_would_protect_nothing() -> None:
    """The sibling consists of two shown teams, so one of those must go as well."""
    tree = {"whole": None, "small": "whole", "big": "whole", "x": "big", "y": "big"}
    people = {"whole": 33, "small": 3, "big": 30, "x": 10, "y": 20}
    assert hidden_units(tree, people, 5) == {"small", "big", "x"}


def test_a_sibling_that_protects_alone_goes_before_one_that_does_not() -> None:
    """Hiding 'big' would need 'x' as well; hiding the larger 'c' is enough: fewer cells lost."""
    tree = {"whole": None, "small": "whole", "big": "whole", "c": "whole", "x": "big", "y": "big"}
    people = {"whole": 73, "small": 3, "big": 30, "c": 40, "x": 10, "y": 20}
    assert hidden_units(tree, people, 5) == {"small", "c"}


def test_a_division_stays_where_a_team_protects_as_well() -> None:
    """Three people directly in the whole: hiding B (300) would do, A with one team costs less."""
    tree = {"w": None, "A": "w", "B": "w", "a1": "A", "a2": "A"}
    people = {"w": 503, "A": 200, "B": 300, "a1": 190, "a2": 10}
    assert hidden_units(tree, people, 5) == {"A", "a2"}


def test_the_fewest_people_are_hidden_that_can_be() -> None:
    """Against every choice there is: none that is safe costs fewer people, then fewer units."""
    chance = random.Random(23)
    for _ in range(300):
        names = [f"u{i}" for i in range(chance.randint(2, 8))]
        tree: dict[str, str | None] = {"u0": None}
        for i, name in enumerate(names[1:], start=1):
            tree[name] = names[chance.randrange(i)]
        people = rolled_up(tree, {name: chance.choice([0, 1, 3, 5, 9]) for name in names})
        small = {name for name in names if 0 < people[name] < 5}
        if people["u0"] < 5:
            continue
        hidden = hidden_units(tree, people, 5)
        costs = []
        for choice in product((False, True), repeat=len(names) - 1):
            tried = small | {n for n, taken in zip(names[1:], choice, strict=True) if taken}
            left = remainders(tree, people, tried)
            if not any(0 < count < 5 for count in left.values()):
                costs.append((sum(people[n] for n in tried), len([n for n in tried if people[n]])))
        assert (sum(people[n] for n in hidden), len(hidden)) == min(costs)


def test_no_more_is_hidden_than_needed() -> None:
    tree = {"whole": None, "a": "whole", "b": "whole"}
    assert hidden_units(tree, {"whole": 60, "a": 20, "b": 40}, 5) == frozenset()
    assert hidden_units(tree, {"whole": 40, "a": 0, "b": 40}, 5) == frozenset()
    assert hidden_units(tree, {"whole": 4, "a": 4}, 5) == {"whole", "a"}
    assert hidden_units(tree, {"whole": 4, "a": 4}, 1) == frozenset()


def test_each_hidden_complement_is_needed() -> None:
    """Showing any one of them again would let a small group be worked out."""
    chance = random.Random(7)
    for _ in range(400):
        names = [f"u{i}" for i in range(chance.randint(2, 12))]
        tree: dict[str, str | None] = {"u0": None}
        for i, name in enumerate(names[1:], start=1):
            tree[name] = names[chance.randrange(i)]
        people = rolled_up(tree, {name: chance.randint(0, 12) for name in names})
        hidden = hidden_units(tree, people, 5)
        for unit in hidden:
            if people[unit] >= 5:
                left = remainders(tree, people, hidden - {unit})
                assert any(0 < count < 5 for count in left.values())


def test_broken_trees_still_end_in_an_answer() -> None:
    assert depth_first({"a": "b", "b": "a"}) == ["a", "b"]
    assert depth_first({"a": "a"}) == ["a"]
    assert depth_first({"a": "gone", "b": "a"}) == ["a", "b"]
    assert hidden_units({"a": "b", "b": "a"}, {"a": 3, "b": 9}, 5) == {"a"}
    # a child said to hold more than its parent: nothing negative, nothing shown below the threshold
    assert "a" in hidden_units({"w": None, "a": "w", "b": "w"}, {"w": 10, "a": 4, "b": 9}, 5)


def test_order_is_by_tree_then_name() -> None:
    tree = {"w": None, "1": "w", "2": "w", "3": "1"}
    assert depth_first(tree, {"1": "Zeta", "2": "Alpha", "3": "Mid"}) == ["w", "2", "1", "3"]


@pytest.mark.parametrize(
    ("parts", "hidden"),
    [
        ({"leave": 20, "joiner": 30}, set()),
        ({"leave": 3, "joiner": 30, "left": 9}, {"leave", "left"}),
        ({"leave": 3, "joiner": 4, "left": 9}, {"leave", "joiner"}),
        ({"leave": 3}, {"leave"}),
        ({"leave": 3, "joiner": 0}, {"leave"}),
        ({"leave": 2, "joiner": 2}, {"leave", "joiner"}),
        ({"leave": 3, "joiner": 30}, {"leave", "joiner"}),
        ({}, set()),
    ],
)
def test_parts_of_a_known_total(parts: dict[str, int], hidden: set[str]) -> None:
    assert hidden_parts(parts, 5) == hidden
