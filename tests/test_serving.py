"""The ASGI example of docs/serving.md, called as a server calls it."""

import asyncio
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from biotl.deploy.predictor import Predictor
from biotl.records import ecg

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def app(models, monkeypatch):
    monkeypatch.setenv("MODEL", str(models("ecgbert_mitbih")))
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.delitem(sys.modules, "asgi", raising=False)
    return __import__("asgi").app


def request(app, query, body, path="/predict"):
    """Send a body in pieces, as servers do; return status and JSON."""
    pieces = [body[i : i + 50_000] for i in range(0, len(body), 50_000)] or [b""]
    messages = [{"type": "http.request", "body": piece, "more_body": k < len(pieces) - 1}
                for k, piece in enumerate(pieces)]  # fmt: skip
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "query_string": query.encode()}
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"])


def test_the_example_answers_what_the_predictor_does_and_refuses_in_one_line(app, models):
    record = ecg(4, 0, duration_s=30.0)
    body = record.signal[:1].tobytes()
    status, told = request(app, "fs=360&units=mV&channels=II", body)
    wanted = Predictor(models("ecgbert_mitbih"), threads=1).predict(
        record.signal[:1], fs=360.0, channels=["II"], units="mV"
    )
    assert status == 200
    assert told == json.loads(json.dumps(wanted.to_json()))
    assert request(app, "fs=360&units=mmHg&channels=II", body)[0] == 422
    status, told = request(app, "fs=fast", body)
    assert (status, told["error"][:30]) == (422, "request: got fs=fast and 43200")
    assert request(app, "fs=360", body[:-1])[0] == 422
    assert request(app, "fs=360", body, "/other")[0] == 404
    both = np.stack([record.signal[0], record.signal[0] * np.nan]).tobytes()
    assert request(app, "fs=360&units=mV&channels=V1,II", both)[1]["leads"] == {"ECG": "V1"}


def test_the_guide_names_files_that_are_there():
    page = (EXAMPLES.parent / "docs" / "serving.md").read_text()
    assert "../examples/asgi.py" in page
    assert all(len(line) <= 300 for line in page.splitlines())
