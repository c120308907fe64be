"""What the simulated organisation is made of: divisions, teams, job roles, competencies, courses.

Months are counted from the first simulated month (0); negative ones lie before it.
"""

from __future__ import annotations

from dataclasses import dataclass

ORGANISATION = "Meridian Foods"
DOMAIN = "meridian.example"


@dataclass(frozen=True)
class Division:
    """A division: its share of the people, its teams and the job roles found in them."""

    code: str
    name: str
    share: float
    teams: tuple[str, ...]
    roles: tuple[str, ...]
    productivity: float
    satisfaction: float


DIVISIONS = (
    Division(
        "OPS",
        "Operations",
        0.40,
        ("Bakery", "Dairy", "Ready Meals", "Packaging"),
        ("Production Operator", "Line Technician", "Quality Technician"),
        101.0,
        0.78,
    ),
    Division(
        "SUP",
        "Supply Chain",
        0.24,
        ("Warehouse", "Transport"),
        ("Warehouse Operative", "Driver", "Stock Planner"),
        97.0,
        0.76,
    ),
    Division(
        "COM",
        "Commercial",
        0.20,
        ("Retail Accounts", "Food Service"),
        ("Account Manager", "Sales Executive", "Category Analyst"),
        104.0,
        0.80,
    ),
    Division(
        "COR",
        "Corporate Services",
        0.16,
        ("Finance and IT", "People and Legal", "Communications"),
        ("Analyst, Finance", "Systems Engineer", "People Adviser"),
        99.0,
        0.74,
    ),
)
LATE = 3
"""Index of the division whose programme starts in the last month: the comparison group."""
COMPETING = 0
"""Index of the division in which other work competes for people's time."""
UNSPOKEN = 2
"""Index of the division whose managers pass the newest message on least, when planted."""
ABSENT = 1
"""Index of the division whose sponsor falls silent."""
SMALL_TEAM = "Communications"
"""A team below the usual privacy threshold, so that suppression has something to do."""
SMALL_TEAM_SIZE = 4

MANAGER_ROLE = "Team Manager"
DIRECTOR_ROLE = "Director"
ROLES = (
    *(role for division in DIVISIONS for role in division.roles),
    MANAGER_ROLE,
    DIRECTOR_ROLE,
)
LEVELS = ("none", "manager", "senior", "elt")
SITES = ("Leeds", "Bristol", "Cardiff", "Glasgow", "Norwich")


@dataclass(frozen=True)
class Competency:
    """A competency, its course, how long a certificate lasts, and who needs it from when.

    Attributes:
        roles: job roles that require it; ("*",) for all.
        from_month: months after launch that the requirement starts; None: long ago.
    """

    code: str
    course: str
    valid_days: int
    grace_days: int
    roles: tuple[str, ...]
    from_month: int | None = None


COMPETENCIES = (
    Competency("FOOD-SAFETY", "CMP-FOOD", 730, 90, ("*",)),
    Competency("MACHINE-SAFETY", "CMP-MACH", 365, 60, ("Production Operator", "Line Technician")),
    Competency("COLD-CHAIN", "CMP-COLD", 730, 90, ("Warehouse Operative", "Driver")),
    Competency("CUSTOMER-CARE", "CMP-CUST", 730, 90, ("Account Manager", "Sales Executive")),
    Competency("DATA-BASICS", "CMP-DATA", 730, 90, ("Analyst, Finance", "Category Analyst")),
    Competency("LEADING-PEOPLE", "CMP-LEAD", 730, 120, (MANAGER_ROLE,)),
    Competency(
        "DIGITAL-OPERATIONS",
        "FLG-DIGI",
        730,
        180,
        ("Line Technician", "Quality Technician", "Stock Planner", "Account Manager"),
        from_month=3,
    ),
)


@dataclass(frozen=True)
class Course:
    """A course.

    Attributes:
        weight: its share among what people choose; 0: it is assigned only.
        published: month it was published in; see ``launched``.
        finish: share of those who choose it that finish it; of the others ``drop`` cancel.
        review_missed: whether its last review was due before the end and has not been held.
        launched: with planted mandatory launches, how many days before the last one it was
            published; without them, the course is not in the catalogue.
    """

    code: str
    title: str
    category: str
    minutes: int
    competency: str | None = None
    flagship: bool = False
    mandatory: bool = False
    programme: bool = False
    weight: float = 0.0
    published: int = -30
    retired: int | None = None
    finish: float = 0.68
    drop: float = 0.3
    review_missed: bool = False
    launched: int | None = None


COURSES = (
    Course("MAN-FOOD", "Food Hygiene Refresher", "Compliance", 40, mandatory=True, programme=True),
    Course("MAN-SAFE", "Health and Safety Refresher", "Compliance", 30, mandatory=True),
    Course("MAN-CODE", "Code of Conduct", "Compliance", 25, mandatory=True),
    Course(
        "MAN-LIFT", "Manual Handling, 2023 edition", "Compliance", 35, mandatory=True, retired=16
    ),
    Course("CMP-FOOD", "Food Safety in Practice", "Role", 180, "FOOD-SAFETY"),
    Course("CMP-MACH", "Safe Machine Operation", "Role", 240, "MACHINE-SAFETY"),
    Course("CMP-COLD", "Cold Chain Control", "Role", 150, "COLD-CHAIN"),
    Course("CMP-CUST", "The Customer Conversation", "Role", 120, "CUSTOMER-CARE"),
    Course("CMP-DATA", "Reading Data Well", "Role", 150, "DATA-BASICS", programme=True, weight=0.6),
    Course("CMP-LEAD", "Leading People", "Leadership", 300, "LEADING-PEOPLE"),
    Course(
        "FLG-DIGI",
        "Digital Operations",
        "Flagship",
        240,
        "DIGITAL-OPERATIONS",
        flagship=True,
        programme=True,
        published=10,
    ),
    Course(
        "FLG-LEAD",
        "Leading Daily Improvement",
        "Flagship",
        180,
        flagship=True,
        programme=True,
        weight=0.8,
        published=-2,
    ),
    Course(
        "ELE-PROB", "Solving Problems at the Line", "Improvement", 60, programme=True, weight=1.6
    ),
    Course("ELE-WAST", "Seeing Waste", "Improvement", 45, programme=True, weight=1.4),
    Course("ELE-COAC", "Coaching on the Job", "Leadership", 90, programme=True, weight=1.0),
    Course("ELE-FEED", "Feedback That Lands", "Leadership", 50, programme=True, weight=0.9),
    Course(
        "ELE-SHEE",
        "Spreadsheets for the Shop Floor",
        "Digital",
        75,
        weight=1.2,
        finish=0.22,
        drop=0.9,
    ),
    Course("ELE-PRES", "Presenting with Confidence", "Communication", 60, weight=0.7),
    Course("ELE-TIME", "Planning the Week", "Personal", 30, weight=0.8),
    Course("ELE-WELL", "Sleep, Shifts and Health", "Wellbeing", 35, weight=0.9),
    Course("ELE-SUST", "Packaging and the Planet", "Sustainability", 40, weight=0.6),
    Course("ELE-NEGO", "Negotiation Basics", "Commercial", 80, weight=0.5, review_missed=True),
    Course("ELE-MAIL", "Writing Better Emails", "Communication", 25, weight=0.6, retired=19),
    Course("ELE-STOC", "The Stock System before 2022", "Digital", 55),
    Course("MAN-PLAN", "The New Planning System", "Compliance", 360, mandatory=True, launched=27),
    Course("MAN-DATA", "Data Protection at Work", "Compliance", 360, mandatory=True, launched=16),
)

COMPLETED = "http://adlnet.gov/expapi/verbs/completed"
EXPERIENCED = "http://adlnet.gov/expapi/verbs/experienced"
ANSWERED = "http://adlnet.gov/expapi/verbs/answered"
PASSED = "http://adlnet.gov/expapi/verbs/passed"
PLAYED = "https://w3id.org/xapi/video/verbs/played"
INITIALIZED = "http://adlnet.gov/expapi/verbs/initialized"
LOGGED_IN = "https://w3id.org/xapi/adl/verbs/logged-in"
VERBS = (COMPLETED, EXPERIENCED, ANSWERED, PASSED, PLAYED, INITIALIZED, LOGGED_IN)
LEARNING_SECONDS = {COMPLETED: 0, EXPERIENCED: 30, ANSWERED: 0, PASSED: 0, PLAYED: 30}
"""Least seconds from which a verb counts as learning, as in the shipped charter; others never."""

VISIBLE_KINDS = frozenset(
    {
        "email",
        "learner_recognised",
        "learning_referenced",
        "manager_cascade",
        "manager_forum_attended",
        "public_completion",
        "town_hall",
    }
)
"""Kinds of leader action that are own-voice or in person, as in the shipped charter."""
