"""Uploads become assets, once, and whole; what is no picture, or too much, is refused and leaves nothing."""

from __future__ import annotations

import asyncio
import os
import struct
import time
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from commands import shared
from execute.conftest import write_project
from serve.conftest import Served, wait_for
from starlette.requests import Request
from starlette.testclient import TestClient
from watch.conftest import picture

from assetforge.serve.endpoints.call import BASE
from assetforge.serve.heads import read_head
from assetforge.serve.limits import ServeLimits
from assetforge.serve.problems import ServeError
from assetforge.serve.uploads import body_of

P = f"{BASE}/pipelines/pipeline"
UPLOADS = f"{P}/incoming"


def new_key() -> str:
    return str(uuid.uuid4())


def send(client: TestClient, key: str, content: bytes, name: str = "moss", **more: Any) -> Any:
    assert client.put(f"{UPLOADS}/{key}/base_color", content=content).status_code == 201
    return client.post(f"{UPLOADS}/{key}", json={"fields": {"name": name}, **more})


def png_of(width: int, height: int) -> bytes:
    """Return a PNG of black pixels, however many: all of them in few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")


@contextmanager
def serving(folder: Path, *, private: bool = False) -> Iterator[Served]:
    """A service over a project whose daemon runs."""
    daemon = shared().start(folder, "watch", "pipeline.yaml", out=folder / "daemon.txt")
    served = Served(folder, private=private)
    wait_for(lambda: served.project.status() and (folder / ".assetforge" / "runs").exists())
    yield served
    served.service.close()
    daemon.kill_group()
    daemon.wait(30)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service over a project without sources, whose daemon runs."""
    with serving(write_project(tmp_path_factory.mktemp("watched") / "project", assets=0)) as served:
        yield served


@pytest.fixture(scope="module")
def uploader(watched: Served) -> Iterator[TestClient]:
    with watched.client() as client:
        yield client


def test_an_upload_is_built_and_its_maps_come_back(uploader: TestClient, watched: Served) -> None:
    key, content = new_key(), picture(1)
    answer = send(uploader, key, content, params={"work.gain": 0.25})
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == answer.json()["href"] == f"{P}/assets/moss"
    asset = uploader.get(answer.json()["href"], params={"wait": 60}).json()
    assert asset["state"] == "done"
    pixels = cv2.imdecode(np.frombuffer(uploader.get(asset["outputs"][0]["href"]).content, np.uint8), cv2.IMREAD_COLOR)
    source = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert abs(encoded(decoded(source) * 0.25) - pixels).max() <= 1  # the parameter counted
    assert uploader.get(asset["sources"][0]["href"]).content == content
    again = uploader.post(f"{UPLOADS}/{key}", json={"fields": {"name": "moss"}})
    assert (again.status_code, again.json()["asset"], again.json()["state"]) == (202, "moss", "done")
    assert uploader.put(f"{UPLOADS}/{key}/base_color", content=picture(9)).status_code == 409
    assert (watched.folder / "textures" / "moss_d.png").read_bytes() == content


def decoded(codes: np.ndarray) -> np.ndarray:
    x = codes / 255
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def encoded(light: np.ndarray) -> np.ndarray:
    return np.round(255 * np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)).astype(int)


def test_a_source_is_replaced_only_if_asked_and_the_state_tells_of_the_new_one(
    uploader: TestClient, watched: Served
) -> None:
    send(uploader, new_key(), picture(2), "bark")
    assert uploader.get(f"{P}/assets/bark?wait=60").json()["state"] == "done"
    key = new_key()
    refused = send(uploader, key, picture(3), "bark")
    assert (refused.status_code, refused.json()["exists"]) == (409, ["bark_d.png"])
    assert uploader.post(f"{UPLOADS}/{key}", json={"fields": {"name": "bark"}, "replace": True}).status_code == 202
    asset = uploader.get(f"{P}/assets/bark?wait=60").json()  # and not what was there before
    assert uploader.get(asset["sources"][0]["href"]).content == picture(3)
    kept = list((watched.folder / ".assetforge" / "replaced").rglob("bark_d.png"))
    assert [path.read_bytes() for path in kept] == [picture(2)]


def test_an_upload_of_which_there_are_variants_is_done_when_all_of_them_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_project(tmp_path / "project", assets=0)
    text = (folder / "pipeline.yaml").read_text().replace("build/{name}", "build/{name}_{gain}")
    (folder / "pipeline.yaml").write_text(f"{text}variants: {{work.gain: [0.25, 0.5]}}\n")
    jobs = ["moss[gain=0.25]", "moss[gain=0.5]"]
    with serving(folder) as served, served.client() as client:
        sent = send(client, new_key(), picture(1))
        assert (sent.status_code, sent.json()["asset"]) == (202, "moss")
        asset = client.get(sent.json()["href"], params={"wait": 60}).json()
        assert asset["state"] == "done"
        assert [(one["name"], one["state"]) for one in asset["variants"]] == [(job, "done") for job in jobs]
        assert len(asset["outputs"]) == len(jobs)
        for file in (*asset["sources"], *asset["outputs"]):
            assert client.get(file["href"]).status_code == 200
        assert [client.get(f"{P}/assets/{job}").json()["state"] for job in jobs] == ["done", "done"]
        listed = client.get(f"{P}/assets").json()["items"]
        assert [(one["name"], one["state"]) for one in listed] == [(job, "done") for job in jobs]
        monkeypatch.setattr("assetforge.serve.project._RECENT", -1.0)  # ten minutes later
        assert client.get(f"{P}/assets/moss").json()["state"] == "done"
        assert client.get(f"{P}/assets/reed").status_code == 404


def test_what_waits_knows_its_place_in_the_queue(uploader: TestClient) -> None:
    def ask(verb: str, *assets: str) -> None:
        asked = uploader.post(f"{P}/requests", json={"verb": verb, "assets": assets}).json()
        wait_for(lambda: uploader.get(asked["href"]).json()["done"])

    def place(asset: str) -> Any:
        return uploader.get(f"{P}/assets/{asset}").json().get("queue")

    names = ("elm", "oak", "yew")
    ask("pause")
    for seed, name in enumerate(names, 20):
        assert send(uploader, new_key(), picture(seed), name).status_code == 202
        wait_for(lambda name=name: (place(name) or {}).get("position"))  # type: ignore[misc]
    wait_for(lambda: place("elm")["of"] == len(names))
    assert [place(name)["position"] for name in names] == [1, 2, 3]
    ask("hurry", "yew")
    wait_for(lambda: place("yew")["position"] == 1)
    assert [place(name)["position"] for name in names] == [2, 3, 1]
    ask("resume")
    done = [uploader.get(f"{P}/assets/{name}?wait=60").json() for name in names]
    assert [(one["state"], "queue" in one) for one in done] == [("done", False)] * 3


PICTURE = picture(5)
NO_PICTURES = (
    (b"<html><script>alert(1)</script></html>", 415),
    (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415),
    (b"GIF89a" + bytes(50), 415),
    (b"", 415),
    (b"\x89PNG\r\n\x1a\n", 415),
    (b"\x89PNG\r\n\x1a\n" + bytes(100), 415),
    (b"\xff\xd8\xff\xe0" + bytes(100), 415),
    (b"RIFF\0\0\0\0WEBPjunk" + bytes(40), 415),
    (b"II*\0\xff\xff\xff\xff" + bytes(40), 415),
    (b"8BPS" + b"\xff" * 60, 415),
    (b"\x76\x2f\x31\x01\x02\0\0\0" + b"x" * 5000, 415),
    (png_of(16384, 16384), 413),
    (png_of(2**31 - 1, 2**31 - 1), 413),
    (png_of(0, 16), 415),
)


@pytest.mark.parametrize(("content", "status"), NO_PICTURES, ids=range(len(NO_PICTURES)))
def test_what_is_no_picture_or_too_large_is_refused_and_leaves_nothing(
    content: bytes, status: int, uploader: TestClient, watched: Served
) -> None:
    key = new_key()
    assert uploader.put(f"{UPLOADS}/{key}/base_color", content=content).status_code == status
    assert list((watched.folder / "textures" / ".incoming" / key).iterdir()) == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("nokey/base_color", 400),
        ("{key}/soul", 404),
        ("{key}/..%2f..%2fx", 404),
        (f"{'0' * 36}/normal", 400),
    ],
)
def test_uploads_go_to_inputs_of_the_pipeline_by_uuids_alone(path: str, status: int, uploader: TestClient) -> None:
    assert uploader.put(f"{UPLOADS}/{path.format(key=new_key())}", content=PICTURE).status_code == status


BODIES: tuple[tuple[Any, int], ...] = (
    ("{", 400), ("[1]", 400), ("[" * 5000, 400), ('"text"', 400), ("{}", 422),
    ({"fields": []}, 422), ({"fields": {"name": "../x"}}, 422), ({"fields": {"name": "<img onerror=alert(1)>"}}, 422),
    ({"fields": {"name": "aux.png"}}, 422), ({"fields": {"name": "a\0"}}, 422), ({"fields": {"name": "ok"}}, 422),
    ({"fields": {"name": "ok"}, "params": [1]}, 422), ("x" * 300_000, 413),
)  # fmt: skip


@pytest.mark.parametrize(("body", "status"), BODIES, ids=range(len(BODIES)))
def test_a_post_that_does_not_fit_is_refused(body: Any, status: int, uploader: TestClient) -> None:
    sent = {"content": body} if isinstance(body, str) else {"json": body}
    assert uploader.post(f"{UPLOADS}/{new_key()}", **sent).status_code == status


def test_parameters_that_do_not_fit_are_refused_by_the_pipeline_and_may_be_mended(uploader: TestClient) -> None:
    key = new_key()
    refused = send(uploader, key, picture(6), "reed", params={"work.gian": 1})
    assert refused.status_code == 422
    assert "work.gian" in refused.json()["title"]
    assert uploader.get(f"{P}/assets/reed").status_code == 404
    assert uploader.post(f"{UPLOADS}/{key}", json={"fields": {"name": "reed"}}).status_code == 202


def test_requests_are_answered_and_strange_ones_refused(uploader: TestClient) -> None:
    asked = uploader.post(f"{P}/requests", json={"verb": "retry"})
    assert asked.status_code == 202
    wait_for(lambda: uploader.get(asked.json()["href"]).json()["done"])
    assert uploader.get(asked.json()["href"]).json()["answer"] == {"assets": []}
    for body in (
        {"verb": "receive"},
        {"verb": "explode"},
        {},
        {"verb": "cancel"},
        {"verb": "hurry"},
        {"verb": "retry", "assets": "a"},
    ):
        assert uploader.post(f"{P}/requests", json=body).status_code == 422


@contextmanager
def limited(built: Path, **limits: Any) -> Iterator[TestClient]:
    served = Served(built, ServeLimits(**limits))
    yield served.client()
    served.service.close()


@pytest.mark.parametrize(
    ("limits", "status"),
    [
        ({"file": 100}, 413),
        ({"asset": 100}, 413),
        ({"pixels": 100}, 413),
        ({"free": 2**62}, 507),
        ({"incoming": -1}, 507),
        ({"uploads": 0}, 429),
    ],
)
def test_more_than_a_limit_allows_is_refused(limits: dict[str, int], status: int, built: Path) -> None:
    with limited(built, **limits) as client:
        for content in (PICTURE, iter([PICTURE])):  # with a length that is said, and without
            answer = client.put(f"{UPLOADS}/{new_key()}/base_color", content=content)
            assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert not list((built / "textures" / ".incoming").rglob("*.part"))


def test_a_user_who_has_much_waiting_keeps_no_other_from_uploading(built: Path) -> None:
    for limits, most in ((ServeLimits(waiting=3), 3), (ServeLimits(incoming_of_user=len(PICTURE) + 300), 2)):
        served = Served(built, limits)
        anna, ben = served.client(), served.client(served.access.new_token("ben", ("upload",)))
        keys = [new_key() for _ in range(most + 1)]
        sent = [anna.put(f"{UPLOADS}/{key}/base_color", content=PICTURE) for key in keys]
        assert [one.status_code for one in sent] == [201] * most + [429]
        assert anna.put(f"{UPLOADS}/{keys[0]}/base_color", content=PICTURE).status_code == 201  # the same, again
        assert ben.put(f"{UPLOADS}/{new_key()}/base_color", content=PICTURE).status_code == 201
        for method, path in (("PUT", f"{UPLOADS}/{keys[0]}/base_color"), ("POST", f"{UPLOADS}/{keys[0]}")):
            answer = ben.request(method, path, content=PICTURE if method == "PUT" else b'{"fields": {"name": "x"}}')
            assert (answer.status_code, answer.json()["detail"]) == (409, "is another user's upload")
        served.service.close()


def test_many_requests_that_wait_are_enough(built: Path) -> None:
    served = Served(built, ServeLimits(waiting=2))
    client = served.client(served.access.new_token("eve", ("retry",)))
    answers = [client.post(f"{P}/requests", json={"verb": "resume"}) for _ in range(3)]
    assert [one.status_code for one in answers] == [202, 202, 429]
    served.service.close()


def test_a_body_that_does_not_come_is_waited_for_no_longer_than_allowed() -> None:
    async def silent() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {}

    async def read() -> None:
        request = Request({"type": "http", "method": "PUT", "headers": [], "path": "/"}, silent)
        async for _ in body_of(request, 100, 0.05):
            pass

    with pytest.raises(ServeError, match="has not come"):
        asyncio.run(read())


def test_uploads_that_nobody_finishes_are_removed(served: Served, client: TestClient) -> None:
    keys = [new_key(), new_key(), new_key()]
    for key in keys:
        assert client.put(f"{UPLOADS}/{key}/base_color", content=PICTURE).status_code == 201
    folder = served.folder / "textures" / ".incoming"
    for key in keys[:2]:
        for path in (folder / key, *(folder / key).iterdir()):
            os.utime(path, (time.time() - 4000,) * 2)
    served.project.incoming.prune({keys[1]})
    assert [(folder / key).exists() for key in keys] == [False, True, True]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tif", ".exr"])
def test_the_size_of_a_picture_is_known_from_its_beginning(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"picture{suffix}"
    pixels = np.zeros((20, 30, 3), np.float32 if suffix == ".exr" else np.uint8)
    if suffix == ".exr":
        import OpenEXR

        with OpenEXR.File(
            {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}, {"RGB": pixels}
        ) as file:
            file.write(str(path))
    else:
        assert cv2.imwrite(str(path), pixels)
    assert read_head(path).size == (30, 20)
