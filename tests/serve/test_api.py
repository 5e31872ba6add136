"""The API tells what the state knows, page by page, and serves the files of records alone."""

from __future__ import annotations

import json
import os
from pathlib import Path
from urllib.parse import quote

import cv2
import numpy as np
import pytest
from commands import shared
from execute.conftest import write_project
from filelock import FileLock
from serve.conftest import Served, made
from starlette.testclient import TestClient

from assetforge.serve.endpoints.call import BASE
from assetforge.serve.endpoints.table import ENDPOINTS
from assetforge.serve.openapi import plain_path
from assetforge.store.daemon_status import DaemonStatus
from assetforge.store.daemon_status import _file as daemon_file

P = f"{BASE}/pipelines/pipeline"


def test_the_home_says_who_you_are_and_what_there_is(client: TestClient) -> None:
    home = client.get(BASE).json()
    assert home["you"] == {"name": "anna", "may": ["view", "upload", "retry", "admin"]}
    assert [one["name"] for one in home["pipelines"]] == ["pipeline"]
    assert home["limits"]["pixels"] == 2**26


def test_a_pipeline_tells_its_inputs_its_steps_and_how_many_are_in_each_state(client: TestClient) -> None:
    data = client.get(P).json()
    assert data["counts"] == {
        "received": 0, "waiting": 0, "queued": 0, "building": 0, "done": 3, "failed": 0, "quarantined": 1,
    }  # fmt: skip
    assert [one["map"] for one in data["inputs"]] == ["base_color"]
    assert data["fields"] == ["name"]
    step = data["steps"][0]
    assert (step["use"], step["values"]) == ("work", {"gain": 0.5, "bad": ""})
    assert (step["title"], step["schema"]["properties"]["gain"]["title"]) == ("Work", "Gain")
    assert step["schema"]["properties"]["gain"]["type"] == "number"
    assert data["daemon"] is None
    assert data["event"] > 0


def test_what_is_doubtful_about_results_and_failures_is_told(tmp_path: Path) -> None:
    folder = write_project(tmp_path / "project", assets=0)
    text = (folder / "pipeline.yaml").read_text()
    (folder / "pipeline.yaml").write_text(text.replace("steps: [", "steps: [{use: validate}, "))
    for name, value in (("dark", 0), ("flat", 120)):
        assert cv2.imwrite(str(folder / "textures" / f"{name}_d.png"), np.full((64, 64, 3), value, np.uint8))
    assert shared().run(folder, "run", "pipeline.yaml").code == 1
    assert shared().run(folder, "watch", "pipeline.yaml", "--once").code == 4  # which leaves it alone
    served = Served(folder)
    with served.client() as client:
        dark, flat = client.get(f"{P}/assets").json()["items"]
        assert flat["flagged"]["worst"] == "warning"
        found = client.get(f"{P}/assets/flat").json()["flags"]
        assert len(found) == flat["flagged"]["count"]
        assert "constant" in [one["check"] for one in found]
        assert (dark["state"], dark["flagged"]["worst"]) == ("quarantined", "error")
        severities = [one["severity"] for one in client.get(f"{P}/assets/dark").json()["flags"]]
        assert severities == sorted(severities)
        assert severities[0] == "error"
    served.service.close()


def test_what_has_failed_shows_the_picture_that_it_was_made_of(client: TestClient, built: Path) -> None:
    (held,) = client.get(f"{P}/assets", params={"state": "quarantined"}).json()["items"]
    thumb = made(lambda: client.get(held["thumb"]))
    assert thumb.headers["content-type"] == "image/webp"
    asset = client.get(f"{P}/assets/a03").json()
    assert ([one["file"] for one in asset["sources"]], asset["outputs"]) == (["textures/a03_d.png"], [])
    assert [one["map"] for one in made(lambda: client.get(f"{P}/views/a03")).json()["sources"]] == ["base_color"]
    source = built / "textures" / "a03_d.png"
    assert client.get(asset["sources"][0]["href"]).content == source.read_bytes()


def test_assets_are_listed_page_by_page(client: TestClient) -> None:
    first = client.get(f"{P}/assets", params={"limit": 2}).json()
    assert [one["name"] for one in first["items"]] == ["a00", "a01"]
    assert (first["next"], first["total"]) == ("a01", 4)
    rest = client.get(f"{P}/assets", params={"limit": 2, "after": first["next"]}).json()
    assert [one["name"] for one in rest["items"]] == ["a02", "a03"]
    assert (rest["next"], rest["total"]) == ("", 4)
    assert [one["name"] for one in client.get(f"{P}/assets", params={"offset": 3}).json()["items"]] == ["a03"]


@pytest.mark.parametrize(("written", "state"), [(0.0, "done"), (2e9, "building")], ids=["before", "after"])
def test_what_has_ended_since_the_daemon_said_what_it_builds_is_done(
    client: TestClient, built: Path, written: float, state: str
) -> None:
    status = DaemonStatus(1, 0.0, "textures", "events", ("a00",), ("a01",), 1, 0, {}, {}, 0)
    file = daemon_file(built / ".assetforge", "pipeline.yaml", "json")
    with FileLock(daemon_file(built / ".assetforge", "pipeline.yaml", "lock")):
        file.write_text(json.dumps(status.as_dict()))
        os.utime(file, (written, written))
        listed = client.get(f"{P}/assets").json()["items"]
    file.unlink()
    assert [one["state"] for one in listed[:2]] == [state, "queued" if state == "building" else "done"]


def test_assets_are_found_by_state_and_by_a_part_of_their_names(client: TestClient) -> None:
    held = client.get(f"{P}/assets", params={"state": "quarantined"}).json()["items"]
    assert [(one["name"], one["state"]) for one in held] == [("a03", "quarantined")]
    assert "<img onerror=x>" in held[0]["error"]
    found = client.get(f"{P}/assets", params={"q": "A01"}).json()
    assert [one["name"] for one in found["items"]] == ["a01"]
    assert client.get(f"{P}/assets", params={"q": "%"}).json()["total"] == 0  # no wildcard of SQL


def test_an_asset_tells_its_files_by_their_maps_and_serves_them_as_attachments(client: TestClient, built: Path) -> None:
    asset = client.get(f"{P}/assets/a01").json()
    assert asset["state"] == "done"
    output = asset["outputs"][0]
    assert (output["file"], output["maps"]) == ("build/a01/a01_base_color.png", ["base_color"])
    assert asset["sources"][0]["file"] == "textures/a01_d.png"
    answer = client.get(output["href"])
    assert answer.content == (built / "build" / "a01" / "a01_base_color.png").read_bytes()
    assert answer.headers["content-disposition"] == 'attachment; filename="a01_base_color.png"'
    assert answer.headers["content-type"] == "application/octet-stream"


def test_previews_are_small_pictures_that_browsers_keep(client: TestClient) -> None:
    view = made(lambda: client.get(f"{P}/views/a01")).json()
    shown = view["outputs"][0]
    assert (shown["map"], shown["size"], shown["depth"]) == ("base_color", [16, 16], "8")
    (file,) = view["files"]  # as the page shows them: a name, and a link
    assert file["file"] == "build/a01/a01_base_color.png"
    assert client.get(file["href"]).status_code == 200
    answer = made(lambda: client.get(shown["url"]))
    assert answer.content[:4] == b"RIFF"
    assert "immutable" in answer.headers["cache-control"]
    thumb = made(lambda: client.get(f"{P}/thumbs/a01"))
    assert thumb.headers["content-type"] == "image/webp"
    assert "immutable" not in thumb.headers["cache-control"]


def test_a_failure_has_its_log_as_text(client: TestClient) -> None:
    answer = client.get(f"{P}/logs/a03")
    assert "<script>alert(1)</script>" in answer.text
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert client.get(f"{P}/logs/a00").text == ""


def test_runs_are_told_with_what_became_of_their_jobs(client: TestClient) -> None:
    (run,) = client.get(f"{P}/runs").json()["items"]
    assert (run["kind"], run["state"], run["exit_code"]) == ("watch", "ended", 1)
    assert run["counts"] == {"done": 3, "failed": 1}
    assert run["began"] <= run["ended"]
    found = client.get(f"{P}/runs/{run['run']}").json()
    jobs = {one["asset"]: one for one in found.pop("jobs")}
    assert found == run
    assert {asset: one["state"] for asset, one in jobs.items()} == {
        "a00": "done", "a01": "done", "a02": "done", "a03": "failed",
    }  # fmt: skip
    assert "<img onerror=x>" in jobs["a03"]["error"]
    assert jobs["a03"].keys() == {"asset", "state", "seconds", "error"}  # and no path of a log


WRONG = (
    ("GET", f"{P}/assets?state=happy", 400, "state"),
    ("GET", f"{P}/assets?limit=-1", 400, "limit"),
    ("GET", f"{P}/assets?limit=٣", 400, "limit"),
    ("GET", f"{P}/assets?limit={'9' * 30}", 400, "limit"),
    ("GET", f"{P}/assets/none", 404, "none"),
    ("GET", f"{P}/assets/a00?until=ever", 400, "until"),
    ("GET", f"{P}/logs/none", 404, "none"),
    ("GET", f"{P}/pictures/a00?file=pipeline.yaml", 404, "pipeline.yaml"),
    ("GET", f"{P}/pictures/a00?file=textures/a00_d.png&side=4096", 400, "side"),
    ("GET", f"{P}/requests/999999", 404, "999999"),
    ("GET", f"{P}/runs/none", 404, "none"),
    ("GET", f"{BASE}/pipelines/other", 404, "other"),
    ("GET", f"{BASE}/nothing", 404, f"{BASE}/nothing"),
    ("POST", f"{P}/assets", 405, f"{P}/assets"),
)


@pytest.mark.parametrize(("method", "path", "status", "title"), WRONG)
def test_what_cannot_be_answered_says_what_is_wrong_and_what_would_be_right(
    method: str, path: str, status: int, title: str, client: TestClient
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["title"], problem["status"]) == (title, status)
    assert problem["instead"]


SPELLINGS = (
    "../serve.json", "..%2fserve.json", "%2e%2e/pipeline.yaml", "..\\pipeline.yaml", "/etc/passwd", "pipeline.yaml",
    "textures/../pipeline.yaml", "build/a01/a01_base_color.png/", "file:///etc/passwd", "a\0b",
    ".assetforge/state.sqlite",
    "plugins/work.py", "build/a02/a02_base_color.png",
)  # fmt: skip


@pytest.mark.parametrize("name", SPELLINGS)
def test_only_files_of_the_record_are_served(name: str, client: TestClient) -> None:
    assert client.get(f"{P}/files/a01", params={"name": name}).status_code == 404
    assert client.get(f"{P}/files/a01?name={name}".replace("\0", "%00")).status_code == 404


@pytest.mark.parametrize("asset", ["..%2fa01", "..%2f..%2fstate", "a01%00", "%2e%2e%2f"])
def test_no_asset_leads_out_of_the_logs(asset: str, client: TestClient) -> None:
    assert client.get(f"{P}/logs/{quote(asset, safe='%')}").status_code == 404


def test_a_link_that_leads_out_of_the_project_is_not_followed(client: TestClient, built: Path) -> None:
    output = built / "build" / "a02" / "a02_base_color.png"
    content = output.read_bytes()
    output.unlink()
    output.symlink_to("/etc/passwd")
    try:
        assert client.get(f"{P}/files/a02", params={"name": "build/a02/a02_base_color.png"}).status_code == 404
    finally:
        output.unlink()
        output.write_bytes(content)


def test_the_document_and_the_table_are_one(client: TestClient, served: Served) -> None:
    document = client.get("/openapi.json").json()
    told = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert told == {(one.method, plain_path(one)) for one in ENDPOINTS}
    routes = {(next(iter(route.methods - {"HEAD"})), route.path) for route in served.app.app.routes}
    assert {(one.method, BASE + one.path) for one in ENDPOINTS} <= routes
    assert document["openapi"].startswith("3.1")
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["summary"]
            assert "default" in operation["responses"]
    json.dumps(document, allow_nan=False)
    assert all(plain_path(one) in client.get("/docs").text for one in ENDPOINTS)


def test_a_validator_finds_nothing_wrong_with_the_document(client: TestClient) -> None:
    validator = pytest.importorskip("openapi_spec_validator")
    validator.OpenAPIV31SpecValidator(client.get("/openapi.json").json()).validate()
