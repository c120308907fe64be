"""How figures, marks and findings are put into words: the one home of every such sentence.

Amounts are ``Decimal`` throughout. A sentence is made from the same row of process limits that the
chart draws, so that it can claim no change that the limits do not support.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Literal

from orchestration.periods import Grain, Period
from orchestration.scorecard.model import Assurance, Figure, Limits, Mark, Unit, Variation

POINTS_FOR_LIMITS = 12
"""Fewer points than this give no process limits (DESIGN, section 5)."""

NO_DATA = "no data"
SUPPRESSED = "too few people to show"
NOT_REACHED = "not reached"
NO_RECORD = "no record"
NO_TARGET = "no target"
NOT_COMPARABLE = "No comparison yet"
TOO_EARLY = "Too early to judge"
DATA_BEHIND = "Not judged, its data is behind"

_ROLES = {
    "elt": "ELT",
    "elt_member": "ELT",
    "executive_sponsor": "executive sponsor",
    "ld_head": "L&D head",
    "program_lead": "programme lead",
    "manager_rep": "manager representative",
}
_ACTIONS = {
    "blocker_removed": ("blocker removed", "blockers removed"),
    "budget_approval": ("budget approval", "budget approvals"),
    "email": ("email", "emails"),
    "learner_recognised": ("learner recognised", "learners recognised"),
    "learning_referenced": ("mention of learning", "mentions of learning"),
    "manager_cascade": ("manager cascade", "manager cascades"),
    "manager_forum_attended": ("manager forum attended", "manager forums attended"),
    "public_completion": ("public completion", "public completions"),
    "review_attended": ("review attended", "reviews attended"),
    "survey_run": ("survey", "surveys"),
    "time_freed": ("standing meeting given to learning", "standing meetings given to learning"),
    "town_hall": ("town hall", "town halls"),
}
_VARIATION = {
    "improving": "Improving",
    "concerning": "Concerning",
    "ordinary": "No clear change",
}
_LEFT_OUT = {
    "on_leave": "on leave for most of the period",
    "not_yet_31_days": "joined less than 31 days ago",
    "left": "left before the period ended",
}
_ORDINALS = (
    *("second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"),
    *("eleventh", "twelfth"),
)
_TONE: dict[str, Literal["good", "bad"]] = {"improving": "good", "concerning": "bad"}
_MINUS = "-"


def number(value: Decimal, precision: int, *, signed: bool = False) -> str:
    """``value`` with that many decimals and commas between thousands; halves away from zero."""
    rounded = value.quantize(Decimal(1).scaleb(-precision), rounding=ROUND_HALF_UP)
    if rounded == 0:
        rounded = abs(rounded)  # no '-0.0'
    sign = "+" if signed and rounded > 0 else _MINUS if rounded < 0 else ""
    return f"{sign}{abs(rounded):,f}"


def plain_places(value: Decimal) -> int:
    """The decimals that a count or a measured quantity needs, four at most."""
    return min(max(0, -int(value.normalize().as_tuple().exponent)), 4)


def plain_number(value: Decimal, least_places: int = 0) -> str:
    """A count or a measured quantity without needless decimals: '1,204', '98.25'."""
    return number(value, max(plain_places(value), least_places))


def amount(
    value: Decimal, unit: Unit, precision: int, currency: str, *, difference: bool = False
) -> str:
    """A value with its unit: '63.2 %', '41 days', '1,204', 'GBP 12,400', '+3.4 %'.

    Args:
        difference: the value is a change; it gets a sign, and percentages become points.
    """
    text = number(value, precision, signed=difference or unit == "index_change")
    if unit == "currency":
        return f"{currency} {text}"
    return f"{text}{_suffix(value, unit, precision, difference)}"


def _suffix(value: Decimal, unit: Unit, precision: int, difference: bool) -> str:
    single = abs(value.quantize(Decimal(1).scaleb(-precision), rounding=ROUND_HALF_UP)) == 1
    if unit == "percent":
        return " points" if difference else " %"
    if unit == "index_change":
        return " points" if difference else " %"
    if unit == "days":
        return " day" if single else " days"
    if unit == "weeks":
        return " week" if single else " weeks"
    return " per 100" if unit == "per_100" else ""


def amount_range(
    lower: Decimal,
    upper: Decimal,
    unit: Unit,
    precision: int,
    currency: str,
    *,
    difference: bool = False,
) -> str:
    """Two values with the unit stated once: '48.0 to 58.2 %', 'GBP 1,000 to 1,200'."""
    signed = difference or unit == "index_change"
    first = number(lower, precision, signed=signed)
    last = number(upper, precision, signed=signed)
    if unit == "currency":
        return f"{currency} {first} to {last}"
    return f"{first} to {last}{_suffix(Decimal(2), unit, precision, difference)}"


def no_data(reason: str | None, text: str = NO_DATA) -> Figure:
    """A figure that does not exist, and why."""
    return Figure(state="no_data", text=text, reason=reason or None)


def suppressed() -> Figure:
    """A figure withheld because it stands for too few people; tells nothing else."""
    return Figure(state="suppressed", text=SUPPRESSED)


def not_reached(reason: str) -> Figure:
    """A median that does not exist yet."""
    return Figure(state="not_reached", text=NOT_REACHED, reason=reason)


def value_figure(value: Decimal, unit: Unit, precision: int, currency: str) -> Figure:
    """A shown value, rounded to ``precision``."""
    rounded = value.quantize(Decimal(1).scaleb(-precision), rounding=ROUND_HALF_UP)
    if rounded == 0:
        rounded = abs(rounded)
    return Figure(state="value", value=rounded, text=amount(value, unit, precision, currency))


def plain_figure(value: Decimal, least_places: int = 0) -> Figure:
    """A shown count or quantity in its own precision, or in that of the others of its column."""
    text = plain_number(value, least_places)
    return Figure(state="value", value=Decimal(text.replace(",", "")), text=text)


def n_of_total(part: Decimal, total: Decimal) -> Figure:
    """'9 of 13'; the value is the part."""
    text = f"{plain_number(part)} of {plain_number(total)}"
    return Figure(state="value", value=Decimal(plain_number(part).replace(",", "")), text=text)


def interval(
    lower: Decimal | None, upper: Decimal | None, unit: Unit, precision: int
) -> str | None:
    """'95 % interval 41 to 55 days'; an end that was not reached is said to be so."""
    if lower is None and upper is None:
        return None
    if lower is not None and upper is not None:
        return f"95 % interval {amount_range(lower, upper, unit, precision, '').strip()}"
    known = lower if lower is not None else upper
    assert known is not None
    text = amount(known, unit, precision, "").strip()
    if lower is not None:
        return f"95 % interval from {text}, upper end not reached"
    return f"95 % interval up to {text}, lower end not reached"


def day(value: date) -> str:
    """'12 October 2026'."""
    return f"{value.day} {value:%B %Y}"


def days(count: int) -> str:
    """'1 day', '6 days'."""
    return f"{count} day" if count == 1 else f"{count} days"


def point_label(period: Period) -> str:
    """The period on a chart's axis: 'Oct 2026', 'Q3 2026', 'W45 2026'."""
    if period.grain is Grain.MONTH:
        return f"{period.start:%b %Y}"
    if period.grain is Grain.WEEK:
        year, week, _ = period.start.isocalendar()
        return f"W{week:02d} {year}"
    return period.label


def action_name(kind: str, count: int = 1) -> str:
    """A kind of leader action as a reader says it: 'one town hall', 'three emails'."""
    singular, plural = _ACTIONS.get(kind, (kind.replace("_", " "), kind.replace("_", " ")))
    return counted(count, singular, plural)


def action_title(kind: str) -> str:
    """A kind of leader action at the head of a line: 'Town hall'."""
    name = _ACTIONS.get(kind, (kind.replace("_", " "), ""))[0]
    return f"{name[:1].upper()}{name[1:]}"


def role_name(role: str) -> str:
    """A governance role as a reader says it; unknown roles only lose their underscores."""
    return _ROLES.get(role, role.replace("_", " "))


def listed(items: Sequence[str]) -> str:
    """'a', 'a and b', 'a, b and c'."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def lower_first(name: str) -> str:
    """A name inside a sentence: 'days to competency'; 'LMS use' stays as it is."""
    return f"{name[0].lower()}{name[1:]}" if name[1:2].islower() or len(name) == 1 else name


def sentence(identifier: str) -> str:
    """An identifier at the head of a sentence: 'sponsor_silent' as 'Sponsor silent'."""
    text = identifier.replace("_", " ")
    return f"{text[:1].upper()}{text[1:]}"


def left_out(reason: str) -> str:
    """Why people are not counted, as a reader says it."""
    return _LEFT_OUT.get(reason, reason.replace("_", " "))


def counted(count: int, singular: str, plural: str | None = None) -> str:
    """'one decision', 'three decisions'; figures from ten on."""
    words = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    name = singular if count == 1 else plural or f"{singular}s"
    return f"{words[count] if count < len(words) else count} {name}"


# ---------------------------------------------------------------- marks and findings


def meets_target(
    value: Decimal | None, target: Decimal | None, direction: Literal["up", "down", "none"]
) -> bool | None:
    """Whether a value is as good as its target; None where that cannot be said."""
    if value is None or target is None or direction == "none":
        return None
    return value >= target if direction == "up" else value <= target


def mark(
    variation: Variation,
    assurance: Assurance,
    rules: Sequence[str] = (),
    *,
    record: Sequence[bool] = (),
    grain: Grain = Grain.MONTH,
) -> Mark:
    """What the chart says and how the target fared: 'Improving; target reliably met'.

    The limits tell what to expect of the target ("reliably", "consistently"), but only where the
    record bears them out; else the record itself is said, which never contradicts the figure
    beside it. The tone follows the variation alone: colour has one meaning, a signal.

    Args:
        record: whether the target was met in each of the last periods that have a figure, oldest
            first; empty without a target.
    """
    target = _target_words(assurance, record, grain)
    if variation == "no_data":  # of a figure that is shown: its chart has no point
        text = NOT_COMPARABLE
    elif variation == "too_few_points":
        text = TOO_EARLY
        if record:
            text += f"; target {'met' if record[-1] else 'missed'} this {grain.value}"
    else:
        text = f"{_VARIATION[variation]}; {target}" if target else _VARIATION[variation]
    return Mark(
        variation=variation,
        assurance=assurance,
        text=text,
        tone=_TONE.get(variation, "neutral"),
        rules=tuple(rules),
    )


def _target_words(assurance: Assurance, record: Sequence[bool], grain: Grain) -> str | None:
    if not record:
        return None
    if assurance == "consistently_met" and all(record):
        return "target reliably met"
    if assurance == "consistently_missed" and not any(record):
        return "target consistently missed"
    last = "the last " if len(record) == POINTS_FOR_LIMITS else ""
    return f"target met in {sum(record)} of {last}{len(record)} {grain.value}s"


def unmarked(text: str) -> Mark:
    """The mark of a figure that is not shown: it says why and nothing of the series."""
    return Mark(variation="no_data", assurance="no_data", text=text, tone="neutral")


def _usual(
    limits: Limits, charted: Decimal, unit: Unit, precision: int, currency: str
) -> tuple[str, bool]:
    """The limits as a range, and whether ``charted`` is beyond them.

    Rounded as a chart labels them, unless a value beyond a limit would then print as equal to it.
    """
    step = Decimal(1).scaleb(-precision)
    lower, upper = (edge.quantize(step, ROUND_HALF_UP) for edge in (limits.lower, limits.upper))
    shown = charted.quantize(step, ROUND_HALF_UP)
    if charted > limits.upper and shown == upper:
        upper = limits.upper.quantize(step, ROUND_FLOOR)
    if charted < limits.lower and shown == lower:
        lower = limits.lower.quantize(step, ROUND_CEILING)
    difference = limits.basis != "level"
    text = amount_range(lower, upper, unit, precision, currency, difference=difference)
    return text, charted > limits.upper or charted < limits.lower


def finding(
    name: str,
    now: Figure,
    period_label: str,
    variation: Variation,
    *,
    points: int,
    charted: Sequence[Decimal | None],
    limits: Limits | None,
    direction: Literal["up", "down", "none"],
    unit: Unit,
    precision: int,
    currency: str,
    grain: Grain = Grain.MONTH,
    rules: Sequence[str] = (),
    behind: bool = False,
) -> str:
    """One sentence that states the finding, and only what the limits support.

    Args:
        charted: the series up to the period on the limits' basis (level, or a change of it).
        limits: None when there are none, or when they may not be shown.
        points: points that the limits stand on, up to and including this period.
        rules: the run rules that fired.
        behind: the data that the figure counts are not complete.
    """
    if now.state == "suppressed":
        return f"{name}: {SUPPRESSED}."
    if now.state == "not_reached":
        return f"{name}: not reached by the end of {period_label}."
    if now.state == "no_data":
        why = f" ({now.reason})" if now.reason else ""
        return f"{name}: {now.text} for {period_label}{why}."
    if variation == "no_data":
        why = DATA_BEHIND if behind else NOT_COMPARABLE
        return f"{name}: {now.text} in {period_label}; {lower_first(why)}."
    if variation == "too_few_points":
        return (
            f"{name}: {now.text} in {period_label}; {lower_first(TOO_EARLY)}, with "
            f"{min(points, POINTS_FOR_LIMITS - 1)} of the {POINTS_FOR_LIMITS} points needed."
        )
    last = charted[-1] if charted else None
    if limits is None or last is None:
        if variation == "ordinary":
            return f"{name} stayed within the usual range: {now.text} in {period_label}."
        return (
            f"{name}: a clear change ({variation}) at {now.text} in {period_label}; the usual "
            "range is not shown."
        )
    usual, outside = _usual(limits, last, unit, precision, currency)
    if variation == "ordinary":
        if limits.basis == "net_gain":
            return f"{name} changed no more than usual: {now.text} ({usual} in one {grain.value})."
        if limits.basis == "same_month_last_year":
            return (
                f"{name} stayed within the usual range against the year before: {now.text} "
                f"({usual})."
            )
        return f"{name} stayed within the usual range ({usual})."
    what = now.text
    if limits.basis != "level":
        moved = amount(last, unit, precision, currency, difference=True)
        before = grain.value if limits.basis == "net_gain" else "year"
        what = f"{moved} on the {before} before, to {now.text},"
    how = (
        _beyond(charted, limits, grain)
        if outside
        else _run(last, limits, variation, direction, rules)
    )
    return f"{name} {how}: {what} in {period_label}, usually {usual}."


def _beyond(charted: Sequence[Decimal | None], limits: Limits, grain: Grain) -> str:
    """'fell below the usual range', or how long it has been there."""
    last = charted[-1]
    assert last is not None
    high = last > limits.upper
    count = 0
    for value in reversed(charted):
        if value is None or not (value > limits.upper if high else value < limits.lower):
            break
        count += 1
    if limits.basis == "net_gain":
        verb = f"gained {'more' if high else 'less'} than usual"
    elif count == 1:
        return "rose above the usual range" if high else "fell below the usual range"
    else:
        verb = f"stayed {'above' if high else 'below'} the usual range"
    if count == 1:
        return verb
    if count - 2 < len(_ORDINALS):
        return f"{verb} for a {_ORDINALS[count - 2]} {grain.value}"
    return f"{verb} for {count} {grain.value}s or more"


def _run(
    last: Decimal,
    limits: Limits,
    variation: Variation,
    direction: Literal["up", "down", "none"],
    rules: Sequence[str],
) -> str:
    """A run rule: no single point is beyond the limits, their succession is the signal."""
    up = (variation == "improving") == (direction != "down")
    if "shift" in rules and (last > limits.mean) == up:
        return f"stayed {'above' if up else 'below'} average for longer than chance would give"
    return (
        f"moved {'up' if up else 'down'} within the usual range, in a run that chance would "
        "seldom give"
    )


def against_range(
    charted: Sequence[Decimal | None],
    limits: Limits | None,
    *,
    variation: Variation,
    unit: Unit,
    precision: int,
    currency: str,
) -> str:
    """A signal against its usual range: 'above its usual range 30.1 to 53.1 %'."""
    last = charted[-1] if charted else None
    if limits is None or last is None:
        return f"a clear change ({variation})"
    usual, outside = _usual(limits, last, unit, precision, currency)
    side = "within" if not outside else "above" if last > limits.upper else "below"
    trend = "" if outside else f", {variation} in a run that chance would seldom give"
    if limits.basis == "level":
        return f"{side} its usual range {usual}{trend}"
    moved = amount(last, unit, precision, currency, difference=True)
    return f"changed by {moved}, {side} its usual range {usual}{trend}"


def movement(
    name: str,
    now: Figure,
    period_label: str,
    charted: Sequence[Decimal | None],
    limits: Limits | None,
    *,
    variation: Variation,
    direction: Literal["up", "down", "none"],
    grain: Grain = Grain.MONTH,
    rules: Sequence[str] = (),
) -> str:
    """A signal in a few words: 'X fell below the usual range (41.0 % in October 2026)'."""
    last = charted[-1] if charted else None
    what = "shows a clear change"
    if last is not None and limits is not None:
        if limits.lower <= last <= limits.upper:
            what = _run(last, limits, variation, direction, rules)
        else:
            what = _beyond(charted, limits, grain)
    return f"{name} {what} ({now.text} in {period_label})"
