"""Where uploads are private, users see what is theirs, and of others no more than how many wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
from execute.conftest import write_project
from serve.conftest import Served, Server, made, wait_for
from serve.test_guard import spelled
from serve.test_live import following, ready, upload, wait_until_done
from serve.test_uploads import new_key, send, serving
from starlette.testclient import TestClient
from watch.conftest import picture

from assetforge.serve.access import Right
from assetforge.serve.endpoints.call import BASE, Endpoint
from assetforge.serve.endpoints.table import ENDPOINTS
from assetforge.store.requests import opened_requests

P = f"{BASE}/pipelines/pipeline"
UPLOADS = f"{P}/incoming"
ALL: tuple[Right, ...] = ("view", "upload", "retry")
MOSS, STUDIO = picture(1), picture(2)


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service of which anna has moss built, in two variants, and the studio has a00 and what always fails, a03."""
    folder = write_project(tmp_path_factory.mktemp("private") / "project", "raise ValueError('a03')", assets=4)
    text = (folder / "pipeline.yaml").read_text().replace("build/{name}", "build/{name}_{gain}")
    (folder / "pipeline.yaml").write_text(f"{text}variants: {{work.gain: [0.25, 0.5]}}\n")
    for name in ("a01", "a02"):
        (folder / "textures" / f"{name}_d.png").unlink()
    with serving(folder, private=True) as served:
        wait_for(lambda: served.client(admin(served)).get(P).json()["counts"]["done"] == 2)
        yield served


def admin(served: Served) -> str:
    return served.access.new_token("root", (*ALL, "admin"))


@pytest.fixture(scope="module")
def root(private: Served) -> TestClient:
    return private.client(admin(private))


@pytest.fixture(scope="module")
def anna(private: Served) -> Iterator[TestClient]:
    """Who has sent moss. Its server follows events."""
    with private.client(private.access.new_token("anna", ALL)) as client:
        sent = send(client, KEY, MOSS, "moss")
        assert sent.status_code == 202, sent.text
        assert client.get(sent.json()["href"], params={"wait": 60}).json()["state"] == "done"
        yield client


@pytest.fixture(scope="module")
def ben(private: Served, anna: TestClient) -> TestClient:
    return private.client(private.access.new_token("ben", ALL))


KEY = "01234567-89ab-cdef-0123-456789abcdef"


def names(client: TestClient) -> set[str]:
    return {one["name"] for one in client.get(f"{P}/assets").json()["items"]}


def test_users_see_what_they_have_uploaded_and_an_admin_sees_all(
    anna: TestClient, ben: TestClient, root: TestClient
) -> None:
    mine = {"moss[gain=0.25]", "moss[gain=0.5]"}
    assert names(anna) == mine
    assert names(ben) == set()
    assert names(root) == mine | {f"{name}[gain={gain}]" for name in ("a00", "a03") for gain in (0.25, 0.5)}
    counts = [sum(one.get(P).json()["counts"].values()) for one in (anna, ben, root)]
    assert counts == [2, 0, 6]
    asset = anna.get(f"{P}/assets/moss").json()
    assert {anna.get(one["href"]).status_code for one in (*asset["sources"], *asset["outputs"])} == {200}
    assert anna.get(f"{P}/assets/moss[gain=0.5]").json()["state"] == "done"
    assert made(lambda: anna.get(f"{P}/thumbs/moss[gain=0.5]")).status_code == 200
    assert anna.get(f"{P}/assets/a00").status_code == 404


def asked(client: TestClient, endpoint: Endpoint, asset: str, number: int, run: str) -> Any:
    """Ask for an endpoint as if moss were one's own."""
    path = spelled(endpoint).replace("a00", asset).replace("/requests/1", f"/requests/{number}")
    path = path.replace("/runs/1", f"/runs/{run}")
    query = {"name": "textures/moss_d.png", "file": "textures/moss_d.png", "q": "moss", "asset": "moss"}
    query = {name: value for name, value in query.items() if name in endpoint.query}
    body: dict[str, Any] = {}
    if endpoint.method == "PUT":
        body = {"content": MOSS}
    elif endpoint.method == "POST":
        body = {"json": {"verb": "cancel", "assets": [asset], "fields": {"name": "moss"}, "code": "x"}}
    return client.request(endpoint.method, path, params=query, **body)


@pytest.mark.parametrize("asset", ["moss", "moss[gain=0.5]"])
def test_a_stranger_finds_nothing_whatever_is_asked(
    asset: str, anna: TestClient, ben: TestClient, root: TestClient
) -> None:
    """Each endpoint of the table is asked; what it is asked for is there, as its owner finds."""
    number = anna.post(f"{P}/requests", json={"verb": "retry"}).json()["id"]
    run = root.get(f"{P}/runs").json()["items"][0]["run"]
    for endpoint in ENDPOINTS:
        if "/session" in endpoint.path or endpoint.path.endswith("/events"):  # which never ends: see below
            continue
        answer = asked(ben, endpoint, asset, number, run)
        where = endpoint.method, endpoint.path
        told = answer.text.replace(f"{asset}: is no asset here", "")
        if "{asset" in endpoint.path or "{number" in endpoint.path:
            assert answer.status_code == 404, where
            assert answer.json()["detail"].startswith("is no ")
        elif endpoint.method in ("PUT", "POST"):
            assert answer.status_code in (404, 409), where
        else:
            assert answer.status_code == 200, where
            assert "moss" not in told, where
            assert MOSS not in answer.content, where
    assert ben.get(f"{P}/runs").json()["items"][0]["counts"] == {}
    assert ben.get(f"{P}/runs/{run}").json()["jobs"] == []
    assert {one["asset"] for one in anna.get(f"{P}/runs/{run}").json()["jobs"]} == names(anna)
    wait_for(lambda: root.get(f"{P}/runs/{run}").json()["counts"].get("done", 0) >= 4)  # written once a second
    for client in (anna, root):
        for endpoint in ENDPOINTS:
            if endpoint.method == "GET" and "{asset" in endpoint.path:
                found = made(partial(asked, client, endpoint, asset, number, run))
                assert found.status_code == 200 or "side" in endpoint.query, (endpoint.path, found.text)


def test_what_others_have_is_no_ones_to_replace_or_to_claim(
    private: Served, anna: TestClient, ben: TestClient, root: TestClient
) -> None:
    studio = (private.folder / "textures" / "a00_d.png").read_bytes()
    for content, name in ((picture(9), "moss"), (MOSS, "moss"), (picture(9), "a00"), (studio, "a00")):
        for replace in (False, True):
            answer = send(ben, new_key(), content, name, replace=replace)
            assert answer.status_code in (409, 422), answer.text
        for kind in ("assets", "views", "logs", "thumbs"):
            assert ben.get(f"{P}/{kind}/{name}").status_code == 404
    assert (private.folder / "textures" / "moss_d.png").read_bytes() == MOSS
    assert (private.folder / "textures" / "a00_d.png").read_bytes() == studio
    assert names(ben) == set()
    assert anna.get(f"{P}/assets/moss").json()["state"] == "done"  # what ben has tried is nothing to her
    key = new_key()
    assert send(anna, key, picture(4), "moss").status_code == 409
    answer = anna.post(f"{UPLOADS}/{key}", json={"fields": {"name": "moss"}, "replace": True})
    assert answer.status_code == 202
    assert anna.get(f"{P}/assets/moss?wait=60").json()["state"] == "done"


def test_only_an_admin_pauses_and_asks_for_what_others_have(
    anna: TestClient, ben: TestClient, root: TestClient
) -> None:
    for verb in ("pause", "resume"):
        assert ben.post(f"{P}/requests", json={"verb": verb}).status_code == 403
    for verb in ("retry", "rebuild", "cancel", "hurry"):
        assert ben.post(f"{P}/requests", json={"verb": verb, "assets": ["moss"]}).status_code == 404
    assert ben.post(f"{P}/requests", json={"verb": "retry"}).status_code == 422  # not all of everybody's

    def answer(client: TestClient, verb: str, *assets: str) -> Any:
        where = client.post(f"{P}/requests", json={"verb": verb, "assets": assets}).json()["href"]
        return wait_for(lambda: (found := client.get(where).json())["done"] and found)["answer"]["assets"]

    assert answer(anna, "retry") == []
    assert answer(root, "retry") == ["a03[gain=0.25]", "a03[gain=0.5]"]
    assert root.post(f"{P}/requests", json={"verb": "pause"}).status_code == 202
    assert root.post(f"{P}/requests", json={"verb": "resume"}).status_code == 202


def test_what_is_on_its_way_is_told_to_its_sender_alone(private: Served, anna: TestClient, ben: TestClient) -> None:
    """What the daemon says later than the answer was waited for."""
    what = {"key": KEY, "asset": "a00", "fields": {"name": "a00"}, "files": {}, "private": True}
    with opened_requests(private.project.reader.path, private.project.id) as log:
        log.ask("receive", what, "ben")
    told = wait_for(lambda: (found := ben.get(f"{P}/assets/a00").json())["state"] == "failed" and found)
    assert (told["error"], told["sources"], told["outputs"]) == ("a00: no file was uploaded", [], [])
    assert ben.get(f"{P}/views/a00").status_code == 404
    assert anna.get(f"{P}/assets/a00").status_code == 404


def test_events_are_told_to_whom_they_concern(private: Served, anna: TestClient, serve: Callable[..., Server]) -> None:
    """By a server of its own, which finds the daemon that runs."""
    server = serve(private.folder, "pipeline.yaml", "--private")
    users = {"eve": "view,upload", "ted": "view,upload", "boss": "view,admin"}
    with ExitStack() as stack:
        tokens = {name: server.token("--new-token", name, "--may", may) for name, may in users.items()}
        clients = {name: stack.enter_context(server.client(token)) for name, token in tokens.items()}
        ready(clients["boss"])
        told = {name: stack.enter_context(following(client, 0)) for name, client in clients.items()}
        for name, asset in (("eve", "elm"), ("ted", "fern")):
            upload(clients[name], asset, picture(3))
            wait_until_done(clients[name], asset)
        ended = {"fern[gain=0.25]", "fern[gain=0.5]"}
        for name in ("ted", "boss"):
            wait_for(lambda name=name: ended <= jobs(told[name], "JobFinished"))
        assert jobs(told["eve"]) == {"elm[gain=0.25]", "elm[gain=0.5]"}
        assert jobs(told["ted"]) == ended
        assert jobs(told["boss"]) >= {"a00[gain=0.5]", "moss[gain=0.5]", "elm[gain=0.5]", ""}


def jobs(events: list[dict[str, Any]], *kinds: str) -> set[str]:
    """Return what events are about; an empty name for those of no asset."""
    return {one.get("asset", "") for one in events if not kinds or one["event"] in kinds}
