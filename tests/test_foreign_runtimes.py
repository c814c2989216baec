"""The same answers without biotl: a Python script, a Rust program and a web page read raw samples of real records."""

import os
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from biotl.datasets.channels import find_all
from biotl.datasets.spec_kinds import WindowSpec
from biotl.deploy.predictor import Predictor
from biotl.records import read
from conftest import data_folder
from raw_models import both

pytest.importorskip("onnx")
EXAMPLES = Path(__file__).parents[1] / "examples"
RECORDS = {"ECG": ("mitdb", "200", 40.0), "PPG": ("ecgppg", "bidmc_01.npz", 8.0)}


@pytest.fixture(scope="module", params=RECORDS)
def case(request, tmp_path_factory):
    """A folder with two files of one model, the raw samples, and what biotl says of them: windows, classes, chances."""
    channel = request.param
    folder, name, high = RECORDS[channel]
    record, home = read(data_folder(folder) / name), tmp_path_factory.mktemp(channel)
    filters = [{"name": "bandpass", "options": {"low": 0.5, "high": high}}]
    spec = WindowSpec(fs=100, length_s=10, channels=({"name": channel, "normalizer": "window", "filters": filters},))
    both(home, spec, [[record]])
    (found,) = find_all([record], spec.channels)
    found.x.astype("<f4").tofile(home / f"{channel}.f32")
    predictor = Predictor(home / "spec.onnx")
    said = predictor.answer([record])
    from biotl.deploy.answer import answer

    # every window, those too on which biotl abstains for the quality of the signal
    made = answer(predictor.preprocessor, predictor.decision, said.prepared, predictor._forward)
    return home, channel, made


def agrees(lines, made, names):
    rows = [line.split() for line in lines.strip().splitlines()]
    assert [int(row[0]) for row in rows] == list(range(len(made.span)))
    assert [row[1] for row in rows] == [names[k] for k in made.value]
    assert len({row[1] for row in rows}) == 2
    np.testing.assert_allclose([[float(p) for p in row[2:]] for row in rows], made.probability, atol=2e-5)


def test_a_script_with_onnxruntime_and_numpy_gives_the_same_answers(case):
    home, channel, made = case
    script = EXAMPLES / "foreign" / "ask.py"
    assert len(script.read_text().splitlines()) <= 30
    assert "import biotl" not in script.read_text()
    words = [sys.executable, script, home / "raw.onnx", f"{channel}={home / f'{channel}.f32'}"]
    run = subprocess.run(words, capture_output=True, text=True, check=True, cwd=home)
    assert run.stderr.startswith(f"{channel}: {made.fs:g} Hz")
    agrees(run.stdout, made, made.labels)


@pytest.fixture(scope="module")
def asks(tmp_path_factory):
    """The Rust program, built; its crates come from the registry, onnxruntime from the Python package."""
    import onnxruntime

    cargo = shutil.which("cargo")
    library = next((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so*"), None)
    if cargo is None or library is None:
        pytest.skip("no cargo" if cargo is None else "onnxruntime's package has no library beside its module")
    target = tmp_path_factory.mktemp("target")
    words = [cargo, "build", "-q", "-j", "1", "--locked", "--manifest-path", EXAMPLES / "foreign" / "Cargo.toml"]
    run = subprocess.run([*words, "--target-dir", target], capture_output=True, text=True)
    if "failed to download" in run.stderr or "failed to get" in run.stderr:
        pytest.skip("crates.io is not reached")
    assert run.returncode == 0, run.stderr
    return target / "debug" / "ask", os.environ | {"ORT_DYLIB_PATH": str(library)}


@pytest.mark.slow
def test_a_rust_program_gives_the_same_answers(case, asks):
    home, channel, made = case
    program, environment = asks
    words = [program, home / "raw.onnx", f"{channel}={home / f'{channel}.f32'}"]
    run = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
    agrees(run.stdout, made, made.labels)


def onnxruntime_web(home: Path) -> Path:
    """Return the dist folder of onnxruntime-web: that of BIOTL_ORT_WEB, or from the registry of npm."""
    if given := os.environ.get("BIOTL_ORT_WEB"):
        return Path(given)
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm")
    words = [npm, "install", "--silent", "--no-audit", "--fetch-retries=0", "--prefix", home, "onnxruntime-web"]
    if subprocess.run(words, capture_output=True, timeout=120).returncode:
        pytest.skip("npm's registry is not reached: set BIOTL_ORT_WEB to the dist folder of onnxruntime-web")
    return home / "node_modules" / "onnxruntime-web" / "dist"


class Page(SimpleHTTPRequestHandler):
    """The files of a folder, and what a page says of them."""

    said: str | None = None
    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".mjs": "text/javascript", ".wasm": "application/wasm"}

    def do_POST(self):
        Page.said = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.send_response(204)
        self.end_headers()
        Page.heard.set()

    def log_message(self, *_):
        pass


FRAME = """<iframe src='index.html?model=raw.onnx&{channel}={channel}.f32'></iframe><script>
const asked = setInterval(async () => {{
  const said = document.querySelector('iframe').contentDocument?.querySelector('#answers')?.textContent ?? '';
  if (!/^\\d|^failed/.test(said)) return;
  clearInterval(asked);
  await fetch('/said', {{method: 'POST', body: said}});
}}, 100);</script>"""


@pytest.mark.slow
def test_a_page_in_a_browser_gives_the_same_answers(case, tmp_path):
    home, channel, made = case
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium")
    dist = onnxruntime_web(tmp_path)
    shutil.copy(EXAMPLES / "web" / "index.html", home)
    if not (home / "ort").exists():
        (home / "ort").symlink_to(dist)
    (home / "frame.html").write_text(FRAME.format(channel=channel))
    Page.said, Page.heard = None, threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Page, directory=str(home)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    words = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    words += ["--remote-debugging-port=0", f"http://127.0.0.1:{server.server_port}/frame.html"]
    run = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert Page.heard.wait(200), "the page said nothing"
    finally:
        run.terminate()
        run.wait(20)
        server.shutdown()
        server.server_close()
    agrees(Page.said, made, "01")
