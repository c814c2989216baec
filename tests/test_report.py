"""The report: what it must say, that it needs nothing but itself, and that a browser draws it on any screen."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

from answered import beats, values
from biotl.errors import ConfigError, RecordError
from biotl.report import against, classes, html, model_card, pretraining, regression, robustness
from biotl.report.beside import number
from biotl.report.content import Card, Estimate, Figure, Headline, Pairs, Report, Section, Table, Text
from biotl.report.strips import Trace, choose, strips
from biotl.report.style import DARK, LIGHT
from biotl.report.training import training
from biotl.report.tripod import tripod
from biotl.scoring import ec57, stored
from biotl.scoring.answers import Answered
from biotl.scoring.bootstrap import interval
from biotl.scoring.classes import ClassCounts
from biotl.scoring.conformal import fit
from biotl.scoring.results import Asked, results

SPLIT = {"how": "column split", "claim": "recordings never seen; who was recorded is not known"}
NSVF = Asked(("N", "S", "V", "F"))
RATE = Asked(name="heart rate", unit="bpm")
HISTORY = [
    {"kind": "epoch", "stage": stage, "epoch": k, "train.loss": 1 / (k + 1), "loss": 1.1, "best": k == 2, **extra}
    for stage, extra in (("pretrain", {}), ("head <1>", {"macro_f1": 0.8}))
    for k in range(4)
]


def scored(answered, asked, **more):
    return results(answered, asked, recipe="r", split=SPLIT, looks=more.pop("looks", 1), n=200, **more)


def told(sections):
    """Return all that a list of sections says, as the card prints it."""
    return model_card.render(Report("t", "q", sections), made_by="m")


def read(_record, start_s, stop_s):
    t = np.arange(int((stop_s - start_s) * 100)) / 100
    return Trace("MLII", "mV", 100.0, np.sin(6 * t).astype(np.float32))


@pytest.fixture(scope="module")
def report():
    answered = beats()
    sections = classes.sections(answered, scored(answered, NSVF, looks=3), read=read)
    extra = [Section("Data", (Pairs({"recordings": "2 <synthetic>"}),)), Section("Empty", ())]
    return Report("Beats <of> & ECG", "Is it any good?", [*sections, training(HISTORY), *extra])


@pytest.fixture(scope="module")
def page(report):
    return html.render(report, made_by="biotl, today")


class Outline(HTMLParser):
    """Tags that are open, ids, everything a browser would fetch, and the text outside of styles."""

    def __init__(self):
        super().__init__()
        self.open, self.links, self.ids, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in {"meta", "img", "br", "link"}:
            self.open.append(tag)
        self.links += [value for key, value in attrs if key in {"src", "href", "xlink:href"}]
        self.ids += [value for key, value in attrs if key == "id"]

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in {"meta", "img", "br", "link"}:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)


@pytest.fixture(scope="module")
def outline(page):
    found = Outline()
    found.feed(page)
    return found


def test_the_page_is_well_formed_and_says_what_it_was_given(outline):
    assert outline.open == []
    text = " ".join(" ".join(outline.text).split())
    for wanted in ("Beats <of> & ECG", "2 <synthetic>", "head <1>", "biotl, today", "Class by class", "MLII"):
        assert wanted in text
    assert "Empty" not in text


def test_the_page_fetches_nothing_and_no_id_stands_twice(page, outline):
    assert all(link.startswith("#") for link in outline.links)
    assert "<script" not in page
    assert not re.search(r"url\((?!#)|@import", page)
    assert len(outline.ids) == len(set(outline.ids))
    assert {link[1:] for link in outline.links} <= set(outline.ids)


def test_the_same_report_gives_the_same_text(report, page):
    assert html.render(report, made_by="biotl, today") == page


def test_every_colour_of_a_figure_is_the_pages_own(page):
    drawn = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    assert not re.findall(r"(?:fill|stroke): #[0-9a-f]{6}", drawn)
    assert LIGHT.keys() == DARK.keys()
    assert "prefers-color-scheme: dark" in page


def test_text_in_figures_is_11_px_or_more_on_a_telephone_of_390_px(page):
    figures = re.findall(r'<figure( class="wide"| style="width: (\d+)px").*?</figure>', page, re.DOTALL)
    assert len(figures) > 8
    for found in re.finditer(r'<figure( class="wide"| style="width: (\d+)px")(.*?)</figure>', page, re.DOTALL):
        width = float(re.search(r'viewBox="0 0 ([\d.]+)', found[3])[1])
        shown = min(390 - 32, float(found[2])) if found[2] else float(re.search(r'style="width: (\d+)px"', found[3])[1])
        sizes = [float(size) for size in re.findall(r"font(?:-size)?:[^;]*?([\d.]+)px", found[3])]
        assert sizes
        assert min(sizes) * shown / width >= 11


def test_the_headline_holds_the_interval_the_baseline_and_the_figure_without_one_subject(report):
    cards = next(block for block in report.sections[0].blocks if isinstance(block, Headline)).cards
    assert re.fullmatch(r"95 % interval \d+\.\d to \d+\.\d, 6 subjects", cards[0].note)
    assert cards[1].figure == "better than"
    assert "boosting" in cards[1].name
    assert "without subject" in cards[2].name
    assert "weakest class" in cards[3].name
    lines = [line for block in report.sections[0].blocks if isinstance(block, Text) for line in block.lines]
    assert any(SPLIT["claim"] in line and "scored 3 times" in line for line in lines)
    assert any("Only 6 subjects" in line for line in lines)
    assert "never seen" not in told(report.sections).replace(SPLIT["claim"], "")  # the claim is the split's alone


def swapped(answered, own, other):
    """Return the same recordings with two models' answers exchanged."""
    return [
        Answered(**{**vars(of), "answers": {own: of.answers[other], other: of.answers[own]}, "probability": None})
        for of in answered
    ]


def test_a_model_that_is_worse_than_a_baseline_is_called_so_in_the_headline():
    for answered, asked, sections in (
        (swapped(beats(), "model", "boosting"), NSVF, classes.sections),
        (swapped(values(), "model", "ridge regression"), RATE, regression.sections),
    ):
        card = sections(answered, scored(answered, asked))[0].blocks[0].cards[1]
        assert (card.figure, card.bad) == ("worse than", True)


def test_a_difference_that_one_subject_could_undo_is_called_not_shown():
    rng = np.random.default_rng(0)
    span, made = np.stack([np.arange(50), np.arange(50) + 1], 1), []
    for k in range(8):
        truth = rng.integers(0, 2, 50)
        right, wrong = truth, 1 - truth  # one subject that only the model gets right; the rest alike
        answers = {"model": right if k < 1 else truth, "rule": wrong if k < 1 else truth}
        made.append(Answered(f"r{k}", f"p{k}", "window", 1.0, span, truth, answers))
    tree = scored(made, Asked(("a", "b")))
    card = classes.sections(made, tree)[0].blocks[0].cards[1]
    assert (card.figure, card.bad) == ("not shown to be better than", True)


def test_false_alarms_of_a_class_that_the_reference_lacks_are_shown():
    truth = np.zeros(400, np.int64)
    answer = np.where(np.arange(400) % 10, 0, 1)
    span = np.arange(400)[:, None] * 360 + np.array([0, 1])
    made = [Answered(f"r{k}", f"p{k}", "beat", 360.0, span, truth, {"m": answer}) for k in range(3)]
    words = told(classes.sections(made, scored(made, Asked(("N", "F")))))
    assert "120 as F" in words
    assert "It holds no F" in words
    assert re.search(r"\| F \| 0 \| 0 \|.*\| 120 \| 360\.9 \|", words)  # 40 in 399 s, an hour


def test_a_class_that_nobody_has_and_no_baseline_make_no_error():
    made = [Answered(**{**vars(of), "answers": {"model": of.answers["model"]}}) for of in beats(people=1, labels=5)]
    empty = [
        Answered(
            "r", "p", "beat", 360.0, np.zeros((0, 2), np.int64), np.zeros(0, np.int64), {"m": np.zeros(0, np.int64)}
        )
    ]
    for answered in (made, empty):
        sections = classes.sections(answered, scored(answered, Asked(tuple("NSVFQ"))), read=read)
        assert html.render(Report("t", "q", sections), made_by="")
        assert told(sections).startswith("# t")


def test_two_or_three_labels_of_ones_own_names_are_reported_under_them():
    answered = beats(labels=3, unit="window")
    words = told(classes.sections(answered, scored(answered, Asked(("clean", "noisy", "no pulse")))))
    assert "| no pulse |" in words
    assert "windows" in words
    assert "beat" not in words


def test_strips_are_chosen_by_the_rule_errors_first():
    answered = beats()
    picks = choose(answered, NSVF.labels)
    kinds = [pick.kind for pick in picks]
    assert [("answered as" in kind) for kind in kinds] == [True] * 4 + [False] * 2
    counts = [int(re.search(r"([\d,]+) in all", kind)[1].replace(",", "")) for kind in kinds]
    assert counts[:4] == sorted(counts[:4], reverse=True)
    for pick in picks:
        truth, answer = pick.of.truth[pick.unit], pick.of.answers["model"][pick.unit]
        assert (truth == answer) == ("told right" in pick.kind)


def test_a_strip_names_its_lead_and_every_wrong_mark_its_reference():
    answered = beats()
    figure = next(iter(strips(answered, NSVF.labels, read)))
    assert "lead MLII" in figure.caption
    drawn = figure.draw()
    assert drawn.axes[0].get_ylabel() == "MLII (mV)"
    texts = [text.get_text() for text in drawn.axes[0].texts]
    assert any(re.fullmatch(r"\w \(\w\)", text) for text in texts)


def test_only_the_recordings_of_the_strips_are_read():
    asked = []
    answered = beats(people=30)
    list(strips(answered, NSVF.labels, lambda name, *_: asked.append(name)))
    assert len(asked) <= 6


def test_values_are_reported_with_bias_bounds_and_the_worst_recording():
    answered = values()
    words = told(regression.sections(answered, scored(answered, RATE)))
    assert "The stated bounds hold" in words
    worst = max(answered, key=lambda of: np.nanmean(np.abs(of.truth - of.answers["model"])))
    assert f"MAE of {worst.subject}, the worst subject" in words
    blocks = [block for section in regression.sections(answered, scored(answered, RATE)) for block in section.blocks]
    titles = [block.alt for block in blocks if isinstance(block, Figure)]
    assert f"Recording {worst.id} over time, the worst" in titles


def test_pretraining_stands_beside_random_initialisation():
    probe = scored(swapped(beats(), "model", "boosting"), NSVF)
    objective = [{"figure": "hidden tokens named right %", "pretrained": "71.2", "most frequent token": "12.0"}]
    hidden = np.arange(300) // 50 % 2 == 1
    put = [pretraining.Restored("r1, PPG", 100.0, np.zeros(300), np.ones(300), hidden)]
    probe |= {"looks": 0, "split": {**SPLIT, "judged": "validation recordings"}}
    sections = pretraining.sections(HISTORY, objective, probe=probe, restored=put)
    assert "Judged: validation recordings." in told(sections)
    assert "test recordings have" not in told(sections)
    words = told(sections)
    assert "worse than" in words
    assert "| hidden tokens named right % | 71.2 | 12.0 |" in words
    assert "r1, PPG" in html.render(Report("t", "q", sections), made_by="")
    assert "71.2" in told(pretraining.sections([], objective))


def test_a_probe_that_plain_features_beat_still_says_how_it_stands_to_random_initialisation():
    names = {"pretrained": "boosting", "simple features": "model", "random initialisation": "majority"}
    made = [Answered(**{**vars(of), "answers": {k: of.answers[v] for k, v in names.items()}}) for of in beats()]
    cards = pretraining.sections([], probe=scored(made, NSVF))[0].blocks[0].cards
    said = [(card.figure, card.name) for card in cards]
    assert ("worse than", "simple features") in said
    assert ("better than", "random initialisation") in said


def test_training_has_one_panel_a_stage_and_none_without_history():
    section = training(HISTORY)
    assert [getattr(block, "alt", "")[:28] for block in section.blocks[1:]] == [
        "Losses of stage pretrain ove",
        "Losses of stage head <1> ove",
    ]
    assert [len(block.draw().axes) for block in section.blocks[1:]] == [1, 2]
    assert training([]).blocks == ()


def test_the_card_is_markdown_of_the_same_sections(report):
    card = model_card.render(report, made_by="biotl")
    assert card.startswith("# Beats <of> & ECG\n\nIs it any good?\n\n- **")
    assert "## Class by class" in card
    assert "- **recordings**: 2 <synthetic>" in card
    assert "How it was trained" not in card  # drawings alone
    assert "(" in next(line for line in card.splitlines() if line.startswith("| model |  ".strip()))
    table = Table([{"a": "x|y", "b": 1234, "c": None}, {"a": "z", "b": Estimate("1.0", "0.5 to 2.0")}])
    words = told([Section("", (table,))])
    assert "| x\\|y | 1,234 |" in words
    assert "| z | 1.0 (0.5 to 2.0) |" in words
    assert "| c |" not in words


def test_beats_of_aami_classes_get_the_tables_of_ec57_and_others_do_not():
    answered = beats()
    words = told(classes.sections(answered, scored(answered, NSVF)))
    gross, average = (re.search(rf"\| {name} \|.*", words)[0] for name in ("Gross", "Average"))
    assert f"{ec57.table(answered, NSVF.labels, 'model')[-2]['V Se']:.2f}" in gross
    assert gross != average
    windows = beats(unit="window")
    assert "EC57" not in told(classes.sections(windows, scored(windows, NSVF)))


def test_abstention_is_shown_where_a_rule_was_chosen():
    answered = beats()
    rule = fit(beats(seed=5, people=24), 0.9)
    words = told(classes.sections(answered, scored(answered, NSVF), abstains=rule))
    assert "chosen on 12 validation subjects" in words
    assert re.search(r"\| right class in the set \| [89]\d\.\d \(", words)


def test_a_stress_test_shows_each_level_with_its_interval(tmp_path):
    measure = ClassCounts(NSVF.labels)
    levels = {}
    for noise in (24, 12, 0):
        made = beats(seed=noise)
        levels[f"{noise} dB"] = {name: interval(made, measure, name)["macro_f1"] for name in ("model", "boosting")}
    panels = robustness.Panels("As recordings get worse", "macro-F1", "%", ("Noise: NSTDB em.",), {"motion": levels})
    robustness.keep(tmp_path, panels)
    robustness.keep(tmp_path, panels)
    (kept,) = robustness.read(tmp_path)
    assert kept == panels
    section = robustness.section(kept)
    words = told([section])
    assert "Noise: NSTDB em." in words
    assert "## As recordings get worse" in words
    assert words.count("motion") == 3
    figure = next(block for block in section.blocks if isinstance(block, Figure)).draw()
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["24 dB", "12 dB", "0 dB"]
    assert robustness.section(robustness.Panels("t", "F1", "%", (), {})).blocks == ()


def test_a_damaged_file_of_panels_is_refused_by_name(tmp_path):
    (tmp_path / "robustness.json").write_text('[{"title": 1}]')
    with pytest.raises(RecordError, match=r"robustness\.json"):
        robustness.read(tmp_path)


def finished(folder, answered, asked):
    folder.mkdir()
    stored.write(answered, folder / "answers.npz")
    (folder / "results.json").write_text(json.dumps(scored(answered, asked)))
    return folder


def test_two_runs_are_set_against_each_other(tmp_path):
    first = finished(tmp_path / "a", beats(), NSVF)
    second = finished(tmp_path / "b", swapped(beats(), "model", "boosting"), NSVF)
    found, report = against.runs(first, second)
    assert found["macro_f1"].low > 0
    assert report.sections[0].blocks[0].cards[1].figure == "better than"
    words = told(report.sections)
    assert re.search(r"\| macro-F1 \(%\) \| [\d.]+ \(.* to .*\) \| .* \| \+[\d.]+ \(.*\) \| better \|", words)
    assert "| p3 |" in words
    assert "<svg" not in html.render(report, made_by="")
    back = against.runs(second, first)[1].sections[0].blocks[0].cards[1]
    assert (back.figure, back.bad) == ("worse than", True)
    other = finished(tmp_path / "c", values(), RATE)
    with pytest.raises(ConfigError, match="answer different questions: N, S, V, F, and heart rate in bpm"):
        against.runs(first, other)
    with pytest.raises(RecordError, match="finish it with `biotl finetune`"):
        against.runs(first, tmp_path)


def test_one_run_is_set_against_several_on_one_page(tmp_path):
    first = finished(tmp_path / "a", beats(), NSVF)
    others = [finished(tmp_path / name, swapped(beats(), "model", "boosting"), NSVF) for name in ("b", "c")]
    found, report = against.several(first, others)
    assert list(found) == [str(other) for other in others]
    assert found[str(others[0])] == against.runs(first, others[0])[0]
    words = told(report.sections)
    assert words.count("| better |") >= 2
    assert report.sections[0].title == "Side by side"
    assert len(report.sections[0].blocks[0].rows) == 3
    assert any(of.title.endswith("c: Subject by subject") for of in report.sections)


LONG = "a name that somebody has given to a class in a hurry, $5 and more"


@pytest.mark.parametrize("labels", [(LONG, "b$c", "<d>&"), ("only",), tuple(f"class {k}" for k in range(30))])
def test_names_of_any_length_and_kind_are_drawn(labels):
    rng = np.random.default_rng(0)
    made = []
    for k in range(4):
        truth, guess = rng.integers(0, len(labels), 300), rng.integers(0, len(labels), 300)
        span = np.arange(300)[:, None] * 1000 + np.array([0, 1000])
        answers = {LONG: truth, "a$b": guess}
        probability = rng.dirichlet(np.ones(len(labels)), 300)
        made.append(
            Answered(f"{LONG}{k}", f"{LONG}{k}", "window", 100.0, span, truth, answers, probability=probability)
        )
    page = html.render(Report("t", "q", classes.sections(made, scored(made, Asked(labels)), read=read)), made_by="")
    assert page.count("<svg") > 4


def test_a_lead_that_is_lost_is_not_drawn_and_a_part_that_is_lost_does_not_hide_the_rest():
    def lost(_record, start_s, stop_s):
        return Trace("MLII", "mV", 100.0, np.full(int((stop_s - start_s) * 100), np.nan, np.float32))

    def half(record, start_s, stop_s):
        whole = read(record, start_s, stop_s)
        whole.signal[100:300] = np.inf
        return whole

    answered = beats()
    assert list(strips(answered, NSVF.labels, lost)) == []
    assert all(figure.draw() for figure in strips(answered, NSVF.labels, half))


def test_values_that_nobody_measured_make_no_error():
    made = [Answered(**{**vars(of), "truth": np.full(len(of.truth), np.nan)}) for of in values(people=3)]
    assert "–" in told(regression.sections(made, scored(made, RATE)))


def test_of_thousands_of_subjects_the_worst_are_shown():
    answered = values(people=45, n=10)
    tree = scored(answered, RATE)
    words = told(regression.sections(answered, tree))
    assert "The 40 worst of 45 subjects" in words
    errors = {row["subject"]: row["models"]["model"]["mae"] for row in tree["per_subject"]}
    best = min(errors, key=errors.get)
    assert f"\n| {best} |" not in words


def test_tripod_names_a_section_that_is_there_or_says_why_not(report):
    section = tripod(report.sections, {"17": "approval 12/2026"})
    where = {row["item"]: row["where"] for row in section.blocks[-1].rows}
    titles = {of.title for of in report.sections if of.blocks} | {"the head of this report"}
    assert list(where) == [str(k) for k in range(1, 28)]
    assert where["17"] == "approval 12/2026"
    assert where["26"] == "not reported: not shown"  # this report states no limits
    assert where["14"].startswith("not reported: age, sex")
    named = [text for text in where.values() if not text.startswith(("not reported", "approval"))]
    assert all(title in titles for text in named for title in text.split(", "))
    assert "Empty" not in " ".join(where.values())


def test_numbers_are_printed_with_the_digits_that_they_bear():
    assert [number(v, u) for v, u in ((50.15, "%"), (0.7, "%"), (3.879, "bpm"), (12.34, "bpm"), (0.0321, ""))] == [
        "50.1", "0.7", "3.88", "12.3", "0.032",
    ]  # fmt: skip
    assert number(-0.0001, "") == "0.000"
    assert number(None, "%") == "–"
    assert number(8.25, "%", signed=True) == "+8.2"


def test_columns_of_figures_stand_on_the_right_and_sentences_on_the_left():
    rows = [
        {"intercept": Estimate("-0.162", "-0.229 to -0.101"), "why": "it was measured on another day than the rest"}
    ]
    page = html.render(Report("a", "b", (Section("c", (Table(rows),)),)), made_by="d")
    assert re.findall(r'<th[^>]*class="words"[^>]*>([^<]+)', page) == ["why"]


def test_the_files_are_written_whole(tmp_path):
    report = Report("t", "q", [Section("", (Headline((Card("1", "n"),)),))])
    html.write(report, tmp_path / "report.html", made_by="biotl")
    model_card.write(report, tmp_path / "model_card.md", made_by="biotl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model_card.md", "report.html"]


@pytest.mark.parametrize("width", [390, 1200])
def test_a_real_browser_draws_the_page_within_its_width(page, tmp_path, width):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium")
    (tmp_path / "report.html").write_text(page)
    # a window is at least 500 px wide, a frame is not
    (tmp_path / "frame.html").write_text(
        f"<iframe src='report.html' style='width:{width}px;height:900px;border:0'></iframe><script>onload=()=>{{"
        "let d=document.querySelector('iframe').contentDocument;"
        "let drawn=[...d.querySelectorAll('svg')].every(s=>s.getBoundingClientRect().width>200);"
        "document.title=drawn+':'+(d.documentElement.scrollWidth<=d.defaultView.innerWidth)}</script>"
    )
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    command += ["--allow-file-access-from-files", "--window-size=1300,1000", "--dump-dom", tmp_path / "frame.html"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert "<title>true:true</title>" in run.stdout, (run.stdout[-300:], run.stderr[-500:])
