"""What no login, another site or another host sends is refused before it reaches a route."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from serve.conftest import HOST, Served
from starlette.testclient import TestClient

from assetforge.errors import StoreError, UsageError
from assetforge.serve.access import Access, User
from assetforge.serve.endpoints.call import BASE, Endpoint
from assetforge.serve.endpoints.table import ENDPOINTS
from assetforge.serve.guard import COOKIE
from assetforge.serve.server import Address, bind, own_hosts

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY")
KEY = "01234567-89ab-cdef-0123-456789abcdef"


def spelled(endpoint: Endpoint) -> str:
    values = {"pipeline": "pipeline", "asset": "a00", "key": KEY, "map": "base_color", "number": "1", "run": "1"}
    return BASE + re.sub(r"\{(\w+)(:\w+)?\}", lambda found: values[found.group(1)], endpoint.path)


PATHS = [*sorted({spelled(one) for one in ENDPOINTS}), "/", "/docs", "/openapi.json", "/nothing"]


@pytest.mark.parametrize("path", PATHS)
def test_without_a_login_nothing_is_answered(path: str, served: Served) -> None:
    client = served.client("")
    for method in METHODS:
        if (method, path) != ("POST", f"{BASE}/session"):
            assert client.request(method, path).status_code in (401, 403), method


@pytest.mark.parametrize("path", ["/", "/docs", "/nothing"])
def test_a_person_without_a_login_is_led_to_where_one_logs_in(path: str, served: Served) -> None:
    client = served.client("", accept="text/html,application/xhtml+xml,*/*;q=0.8")
    answer = client.get(path, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/enter#")
    assert "content-security-policy" in answer.headers
    assert "assetforge serve" in client.get(path).text
    assert client.post(path).status_code == 403
    assert client.get(BASE).status_code == 401


@pytest.mark.parametrize("method", METHODS)
def test_a_login_that_is_none_is_none_for_whatever_is_asked(method: str, served: Served) -> None:
    client = served.client("")
    for headers in ({"origin": f"http://{HOST}"}, {"cookie": f"{COOKIE}=x"}, {"authorization": "Bearer x"}):
        for path in (BASE, "/", f"{BASE}/pipelines/pipeline/requests"):
            assert client.request(method, path, headers=headers).status_code in (401, 403), (path, headers)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", f"https://{HOST}", "http://127.0.0.1:1", ""])
def test_another_sites_page_is_refused_whatever_it_asks_for(origin: str, served: Served) -> None:
    client = served.client()
    asked = [(path, "GET") for path in PATHS] + [(f"{BASE}/pipelines/pipeline/requests", one) for one in METHODS]
    for path, method in asked:
        answer = client.request(method, path, headers={"origin": origin})
        assert answer.status_code == 403, (method, path)
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:80", "localhost:8765.evil.example", ""])
def test_a_name_that_is_not_ours_is_refused(host: str, served: Served) -> None:
    answer = served.client().get(BASE, headers={"host": host})
    assert answer.status_code == 421


def test_browsers_change_something_from_our_own_page_alone(served: Served) -> None:
    with served.client("") as client:
        client.headers["origin"] = f"http://{HOST}"
        assert client.post(f"{BASE}/session", json={"code": served.code()}).status_code == 201
        del client.headers["origin"]
        path, asked = f"{BASE}/pipelines/pipeline/requests", {"verb": "resume"}
        assert client.post(path, json=asked).status_code == 403  # nothing tells where it comes from
        for site in ("cross-site", "same-site", "none"):
            assert client.post(path, json=asked, headers={"sec-fetch-site": site}).status_code == 403
        assert client.post(path, json=asked, headers={"sec-fetch-site": "same-origin"}).status_code == 202
        assert client.post(path, json=asked, headers={"origin": f"http://{HOST}"}).status_code == 202


def test_a_code_makes_one_session_in_a_cookie_that_scripts_cannot_read(served: Served) -> None:
    code = served.code()
    client = served.client("", **{"sec-fetch-site": "same-origin"})
    answer = client.post(f"{BASE}/session", json={"code": code})
    cookie = answer.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", "Path=/"))
    assert client.get(BASE).status_code == 200
    assert client.post(f"{BASE}/session", json={"code": code}).status_code == 403
    assert client.delete(f"{BASE}/session").status_code == 204
    client.cookies.set(COOKIE, cookie.partition("=")[2].partition(";")[0])
    assert client.get(BASE).status_code == 401


def test_many_wrong_codes_bar_the_right_one(tmp_path: Path) -> None:
    access = Access(tmp_path / "serve.json")
    code = access.new_code(User("anna", ("view",)))
    for _ in range(10):
        assert access.enter("wrong") is None
    assert access.enter(code) is None


def test_secrets_are_kept_as_digests_in_a_file_of_our_own(tmp_path: Path) -> None:
    access = Access(tmp_path / "serve.json")
    token = access.new_token("anna", ("view",))
    file = tmp_path / "serve.json"
    assert token not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    other = Access(file)  # a server that runs already
    assert other.user(token) == User("anna", ("view",))
    newer = access.new_token("anna", ("view", "upload"))
    assert other.user(token) is None
    assert other.user(newer) == User("anna", ("view", "upload"))
    file.write_text("[[[")
    assert Access(file).user(newer) is None


def test_a_file_of_secrets_that_cannot_be_read_is_not_written_over(tmp_path: Path) -> None:
    """As one that was edited by hand: its tokens would be lost."""
    file = tmp_path / "tokens.json"
    access = Access(file)
    token = access.new_token("anna", ("view",))
    file.write_text(broken := file.read_text().replace("}]", "}"))
    assert access.user(token) == User("anna", ("view",))  # who works goes on working
    for one in (access, Access(file)):
        with pytest.raises(StoreError, match=r"tokens\.json: cannot be read, and all tokens in it would be lost"):
            one.new_token("ben", ("view",))
        with pytest.raises(StoreError):
            one.leave(token)
    assert file.read_text() == broken


def test_a_token_may_do_what_it_says_and_no_more(served: Served) -> None:
    client = served.client(served.access.new_token("guest", ("view",)))
    assert client.get(BASE).json()["you"]["may"] == ["view"]
    for path, method in (
        (f"{BASE}/pipelines/pipeline/requests", "POST"),
        (f"{BASE}/pipelines/pipeline/incoming/{KEY}/base_color", "PUT"),
    ):
        answer = client.request(method, path, json={"verb": "retry"})
        assert (answer.status_code, answer.json()["title"]) == (403, "guest")


@pytest.mark.parametrize("path", ["/", "/enter", "/docs", BASE, "/static/app.js", "/nothing"])
def test_every_answer_forbids_browsers_what_the_page_does_not_need(path: str, client: TestClient) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"


def test_pages_hold_no_script_and_no_style_of_their_own(client: TestClient) -> None:
    for path in ("/", "/enter", "/docs"):
        text = client.get(path).text
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bon\w+=|\bstyle=", text)


def test_a_long_path_is_refused(client: TestClient) -> None:
    assert client.get(f"{BASE}/pipelines/{'x' * 3000}").status_code == 414


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "studio.example"])
def test_an_address_that_others_reach_needs_tls(host: str) -> None:
    with pytest.raises(UsageError, match="there is no TLS"):
        Address(host).check()
    Address(host, behind_proxy=True).check()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_an_address_of_this_machine_needs_none(host: str) -> None:
    Address(host).check()


def test_a_server_is_called_by_its_own_names_alone() -> None:
    assert own_hosts(Address(), 8765) == {"127.0.0.1:8765", "localhost:8765", "[::1]:8765"}
    assert "studio.example" in own_hosts(Address("10.0.0.1", names=("studio.example",), behind_proxy=True), 8765)


def test_a_port_that_is_taken_is_told() -> None:
    with bind(Address(port=0)) as first:
        first.listen()
        with pytest.raises(UsageError, match="cannot be listened on"):
            bind(Address(port=first.getsockname()[1]))
