"""Where a report answers the items of TRIPOD+AI (Collins et al. 2024, BMJ 385:e078378), and which it does not."""

from collections.abc import Mapping, Sequence

from biotl.report.content import Section, Table, Text

# item, what it asks in short, and the titles of the sections that answer it; "" is the head of the report
ITEMS = (
    ("1", "title: what is predicted, of whom", ("",)),
    ("2", "abstract", ()),
    ("3", "background, intended use and users", ("The facts",)),
    ("4", "objectives", ("",)),
    ("5", "sources and dates of the data", ("Data",)),
    ("6", "participants: setting, who is in and who is not", ("Data",)),
    ("7", "how the data were prepared", ("Settings", "Where it comes from")),
    ("8", "outcome: how it was determined, by whom", ("Data",)),
    ("9", "predictors: which signals, how measured", ("Data", "Settings")),
    ("10", "sample size: units and subjects of each class", ("Class by class", "Subject by subject")),
    ("11", "missing data", ("Data",)),
    ("12", "methods: model, training, choice, figures, intervals", ("How it was trained", "Settings")),
    ("13", "class imbalance", ("Ranking and calibration", "Settings")),
    ("14", "fairness: how groups of people compare", ()),
    ("15", "what the model gives, and thresholds", ("Settings",)),
    ("16", "training and evaluation data: how they differ", ("Data",)),
    ("17", "ethical approval", ()),
    ("18", "funding, conflicts, protocol, registration, data, code", ("Where it comes from",)),
    ("19", "involvement of patients and the public", ()),
    ("20", "participants: flow, characteristics, beside training", ("Data", "Subject by subject")),
    ("21", "units and outcomes in each analysis", ("Class by class", "Subject by subject")),
    ("22", "the full model", ("Where it comes from",)),
    ("23", "performance with intervals, and between subjects", ("Beside the baselines", "Subject by subject")),
    ("24", "updating of the model", ()),
    ("25", "interpretation", ("", "Beside the baselines")),
    ("26", "limitations", ("What this does not show",)),
    ("27", "usability: poor input, who must act, next steps", ("If it may abstain", "As recordings get worse")),
)
REASONS = {
    "2": "the headline stands for it",
    "3": "for the user of the model to state",
    "14": "age, sex and other groups are not in the data",
    "17": "public or the user's own recordings: theirs to state",
    "19": "none took place",
    "24": "the model was not updated",
    "27": "neither abstention nor a stress test was run",
}


def tripod(sections: Sequence[Section], reported: Mapping[str, str] | None = None) -> Section:
    """Return the map from TRIPOD+AI's items to the sections of a report.

    Parameters
    ----------
    sections : sequence of Section
        Of the report, those that are empty not counted.
    reported : mapping of str to str, optional
        By item, what the user reports elsewhere, such as ``{"17": "approval 12/2026 of ..."}``.
    """
    there = {section.title for section in sections if section.blocks}
    rows = []
    for item, asks, titles in ITEMS:
        named = [title or "the head of this report" for title in titles if title in there]
        where = (reported or {}).get(item) or ", ".join(named)
        rows.append(
            {"item": item, "asks for": asks, "where": where or f"not reported: {REASONS.get(item, 'not shown')}"}
        )
    line = "Which item of TRIPOD+AI stands where. It maps the page; it does not say that an item is answered in full."
    return Section("TRIPOD+AI", (Text((line,), "soft"), Table(rows)))
