"""The report says what it was given, needs nothing but itself, and a browser draws it."""

import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

from biotl.records import ecg
from biotl.report import figures, html, model_card
from biotl.report.content import ReportContent, Strip

LABELS = ("N", "S", "V", "F")


def rows(f1):
    return [
        {"class": name, "beats": beats, "Se": 50.0, "PPV": 40.0, "F1": value}
        for name, beats, value in zip(LABELS, (4321, 176, 318, 52), f1, strict=True)
    ]


@pytest.fixture(scope="module")
def content():
    record = ecg(1, 10, duration_s=20.0)
    beats = record.annotations["atr"]
    labels = tuple("V" if s == "V" else "N" for s in beats.symbol)
    history = [
        {
            "kind": "epoch",
            "stage": stage,
            "epoch": epoch,
            "train.loss": 1 / (epoch + 1),
            "loss": 1.1,
            "best": True,
            **extra,
        }
        for stage, extra in (("pretrain", {}), ("all", {"macro_f1": 0.8}))
        for epoch in range(3)
    ]
    confusion = np.array(
        [[4300, 10, 5, 1, 5], [20, 150, 4, 0, 2], [3, 4, 300, 10, 1], [2, 0, 20, 30, 0], [4, 1, 0, 0, 0]]
    )
    return ReportContent(
        title="Beats <of> & synthetic ECG",
        question="Is it any good?",
        headline=[("83.9 %", "macro-F1", "RR rule 56.2 %")],
        labels=LABELS,
        scores={"ECGBERT": rows((99.0, 88.0, 92.0, 60.0)), "RR rule": rows((95.0, 60.0, 70.0, 0.0))},
        macro_f1={"ECGBERT": 83.9, "RR rule": 56.2},
        confusion=confusion,
        per_record=[
            {"record": "s001", "beats": 512, "F1 V %": 91.26},
            {"record": "s002", "beats": 498, "F1 V %": None},
        ],
        history=history,
        strips=[Strip("s010", 0.0, 360.0, record.signal[0], beats.sample / 360, labels, labels, "Ten seconds.")],
        data={"recordings": "2 synthetic"},
        settings={"seed": "0"},
        lineage={"vocabulary": "sha256 12"},
        limits=["It is synthetic."],
    )


@pytest.fixture(scope="module")
def page(content):
    return html.render(content, made_by="biotl, today")


class Outline(HTMLParser):
    """Tags that are open, headings, and everything a browser would fetch."""

    def __init__(self):
        super().__init__()
        self.open, self.links, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in {"meta", "img", "br", "link"}:
            self.open.append(tag)
        self.links += [value for key, value in attrs if key in {"src", "href"}]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_is_well_formed_and_holds_every_figure_given(page):
    outline = Outline()
    outline.feed(page)
    assert outline.open == []
    text = " ".join(outline.text)
    for wanted in ("Beats <of> & synthetic ECG", "83.9 %", "RR rule", "4,321", "91.3", "It is synthetic.", "sha256 12"):
        assert wanted in text


def test_the_page_fetches_nothing(page):
    outline = Outline()
    outline.feed(page)
    assert outline.links
    assert all(link.startswith("data:image/svg+xml;base64,") for link in outline.links)
    assert "<script" not in page
    assert not re.search(r"url\(|@import", page)


def test_the_same_content_gives_the_same_bytes(content, page):
    assert html.render(content, made_by="biotl, today") == page


def test_a_run_without_history_records_or_strips_still_reports(content):
    bare = ReportContent(
        content.title, content.question, content.headline, LABELS, content.scores, content.macro_f1, content.confusion
    )
    assert "How it was trained" not in html.render(bare, made_by="")


def test_every_label_of_a_strip_inside_it_is_drawn_and_a_wrong_one_names_the_truth():
    strip = Strip(
        "a", 10.0, 100.0, np.zeros(500, np.float32), np.array([9.0, 11.0, 12.0]), ("V", "V", "S"), ("V", "V", "N")
    )
    texts = [text.get_text() for text in figures.ecg_strip(strip).axes[0].texts]
    assert texts == ["V", "S (N)"]


def test_the_model_card_is_markdown_with_the_baselines_beside(content):
    card = model_card.render(content, made_by="biotl")
    assert card.startswith("# Beats")
    assert "| class | beats | sensitivity % | PPV % | F1 % | F1 % of RR rule |" in card
    assert "| V | 318 | 50.0 | 40.0 | 92.0 | 70.0 |" in card
    assert "- It is synthetic." in card


def test_the_files_are_written_whole(content, tmp_path):
    html.write(content, tmp_path / "report.html", made_by="biotl")
    model_card.write(content, tmp_path / "model_card.md", made_by="biotl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model_card.md", "report.html"]


def test_a_real_browser_draws_the_page(page, tmp_path):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium")
    path = tmp_path / "report.html"
    probe = (
        "<script>onload=()=>{let drawn=[...document.images].every(i=>i.complete&&i.naturalWidth>200);"
        "document.title=drawn+':'+(document.body.scrollWidth<=innerWidth)}</script>"
    )
    path.write_text(page.replace("</body>", probe + "</body>"))
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    run = subprocess.run(
        [*command, "--window-size=1100,900", "--dump-dom", path], capture_output=True, text=True, timeout=120
    )
    assert "<title>true:true</title>" in run.stdout, run.stderr[-500:]
