"""A model file behind HTTP, as any ASGI server runs it: `MODEL=model.onnx uvicorn --app-dir examples asgi:app`."""

import asyncio
import json
import os
from functools import cache
from typing import Any
from urllib.parse import parse_qs

import numpy as np

from biotl.deploy.predictor import Predictor
from biotl.errors import BiotlError, ConfigError

MOST = 512 * 1024 * 1024
"""Bytes of a request: a day of an ECG lead at 360 Hz is 124 MB."""


@cache
def predictor() -> Predictor:
    """Return the model, made once and used by every request."""
    return Predictor(os.environ["MODEL"], threads=1)


def answer(query: str, body: bytes) -> dict[str, Any]:
    """Return what the model says of float32 samples, one channel after the other; JSON."""
    asked = {name: values[-1] for name, values in parse_qs(query).items()}
    channels = asked["channels"].split(",") if "channels" in asked else [c.name for c in predictor().channels]
    try:
        fs = float(asked.get("fs", "nan"))
    except ValueError:
        fs = float("nan")
    if not fs > 0 or not body or len(body) % (4 * len(channels)):
        wanted = f"?fs=HZ and float32 samples of {len(channels)} channels"
        raise ConfigError(f"request: got fs={asked.get('fs')} and {len(body)} bytes, wanted {wanted}")
    x = np.frombuffer(body, "<f4").reshape(len(channels), -1)
    made = predictor().predict(x, fs=fs, units=asked.get("units"), channels=channels)
    return made.to_json()


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer one request."""
    if scope["type"] != "http":
        return
    told: dict[str, Any]
    status, told = 404, {"error": "POST /predict"}
    if (scope["method"], scope["path"]) == ("POST", "/predict"):
        body, more = b"", True
        while more and len(body) <= MOST:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        status, told = 413, {"error": f"request: got more than {MOST} bytes"}
        if not more:
            try:
                # in a thread: the server goes on while the model works
                status, told = 200, await asyncio.to_thread(answer, scope["query_string"].decode(), body)
            except BiotlError as error:
                status, told = 422, {"error": str(error)}
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(told, allow_nan=False).encode()})
