"""Fetching a database from a server on loopback: whole or not at all, checked, resumed."""

import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import wfdb as peer
from wfdb.io import download

from biotl.cli import main
from biotl.errors import MissingExtraError, RecordError
from biotl.records import read
from biotl.records.fetch import fetch


class Handler(SimpleHTTPRequestHandler):
    asked: list[str]

    def log_message(self, *_):
        self.asked.append(f"{self.command} {self.path} {self.headers.get('Range', '')}")

    def do_GET(self):
        # SimpleHTTPRequestHandler knows no ranges, and resuming asks for one
        wanted = self.headers.get("Range", "")
        try:
            data = Path(self.translate_path(self.path)).read_bytes()
        except OSError:
            super().do_GET()
            return
        start, _, stop = wanted.removeprefix("bytes=").partition("-")
        first, last = int(start or 0), min(int(stop or len(data)), len(data) - 1)
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        self.wfile.write(data[first : last + 1])


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A tiny PhysioNet with one database of two records; yields its folder and the list of what was asked."""
    files = tmp_path / "srv" / "files" / "toydb" / "1.0.0"
    files.mkdir(parents=True)
    (tmp_path / "srv" / "content" / "toydb" / "1.0.0").mkdir(parents=True)
    (tmp_path / "srv" / "content" / "toydb" / "index.html").write_text("<p>\nVersion: 1.0.0</p>\n")
    for name in ("a", "b"):
        codes = np.random.default_rng(len(name)).integers(-99, 99, (500, 1))
        peer.wrsamp(name, fs=250, units=["mV"], sig_name=["I"], d_signal=codes, fmt=["16"], adc_gain=[200],
                    baseline=[0], write_dir=str(files))  # fmt: skip
        peer.wrann(name, "atr", np.array([5, 9]), symbol=["N", "V"], write_dir=str(files))
    (files / "RECORDS").write_text("a\nb\n")
    (files / "ANNOTATORS").write_text("atr\treference\n")
    sums = [f"{hashlib.sha256(f.read_bytes()).hexdigest()} {f.name}\n" for f in sorted(files.iterdir())]
    (files / "SHA256SUMS.txt").write_text("".join(sums))
    handler = type("Here", (Handler,), {"asked": []})
    http = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(tmp_path / "srv")))
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    root = f"http://127.0.0.1:{http.server_port}"
    monkeypatch.setattr(download, "PN_CONTENT_URL", f"{root}/content/")
    download.set_db_index_url(f"{root}/files/")
    yield files, handler.asked
    download.set_db_index_url()
    http.shutdown()
    http.server_close()
    thread.join()


def test_a_database_is_fetched_whole_and_reads(server, tmp_path):
    files, asked = server
    folder = fetch("toydb", tmp_path / "to")
    assert folder == tmp_path / "to" / "toydb"
    assert {f.name: f.read_bytes() for f in folder.iterdir()} == {
        f.name: f.read_bytes() for f in files.iterdir() if f.name not in {"RECORDS", "ANNOTATORS"}
    }
    assert read(folder / "b").annotations["atr"].symbol.tolist() == ["N", "V"]
    assert not (tmp_path / "to" / ".toydb.part").exists()
    asked.clear()
    assert fetch("toydb", tmp_path / "to") == folder
    assert asked == []


def test_the_command_prints_the_folder_alone(server, tmp_path, capsys):
    assert main(["fetch", "toydb", "--to", str(tmp_path / "to")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'to' / 'toydb'}\n"


def test_an_interrupted_download_goes_on_where_it_stopped(server, tmp_path):
    files, asked = server
    part = tmp_path / "to" / ".toydb.part"
    part.mkdir(parents=True)
    (part / "a.dat").write_bytes((files / "a.dat").read_bytes()[:300])
    folder = fetch("toydb", tmp_path / "to")
    assert (folder / "a.dat").read_bytes() == (files / "a.dat").read_bytes()
    assert any(line.startswith("GET /files/toydb/1.0.0/a.dat bytes=300-") for line in asked)


def test_a_file_with_another_sha256_is_dropped_and_fetched_anew(server, tmp_path):
    files, _ = server
    part = tmp_path / "to" / ".toydb.part"
    part.mkdir(parents=True)
    (part / "b.dat").write_bytes(bytes(1000))
    with pytest.raises(RecordError, match=r"b\.dat: sha256: got 541b3e9d.*, wanted .* as SHA256SUMS\.txt says"):
        fetch("toydb", tmp_path / "to")
    assert not (tmp_path / "to" / "toydb").exists()
    assert (fetch("toydb", tmp_path / "to") / "b.dat").read_bytes() == (files / "b.dat").read_bytes()


@pytest.mark.parametrize("name", ["nodb", "", "../toydb"])
def test_a_database_that_is_none_is_one_clear_error(server, tmp_path, name):
    with pytest.raises(RecordError, match=r"(download|database): got .*, wanted (a PhysioNet database|the short name)"):
        fetch(name, tmp_path / "to")
    assert not list(tmp_path.glob("to/*db"))


def test_without_wfdb_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "wfdb", None)
    with pytest.raises(MissingExtraError, match=r"wfdb is not installed: pip install 'biotl\[wfdb\]'"):
        fetch("toydb", tmp_path)
