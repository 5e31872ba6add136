"""The page in a real browser: what is built appears, uploads come back as maps, and strange names do nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from execute.conftest import write_project
from looks import SECONDS, start_browser
from serve.conftest import Server
from watch.conftest import picture

from assetforge.viewer.bundle import STATIC

pytestmark = [pytest.mark.browser, pytest.mark.slow]
AXE = STATIC.parent / "build" / "node_modules" / "axe-core" / "axe.min.js"
LOOKS = os.environ.get("ASSETFORGE_SCREENSHOTS", "")
"""A folder for screenshots, for people to look at."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of a project of which a03 fails, with a message that would be a script if it were HTML."""
    always = "raise ValueError('<img src=x onerror=document.title=1>')"
    started = Server(write_project(tmp_path_factory.mktemp("page") / "project", always, assets=4), "pipeline.yaml")
    yield started
    started.stop()


@pytest.fixture(scope="module")
def browser(server: Server) -> Iterator[Any]:
    started = start_browser(1280, 800)
    started.get(server.entry)
    yield started
    started.quit()


def wait_for(browser: Any, script: str, patience: float = 2 * SECONDS) -> Any:
    """Wait until a script gives something true."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, patience, 0.05).until(lambda _: browser.execute_script(script))


def go(browser: Any, server: Server, to: str) -> None:
    browser.get("about:blank")
    browser.get(f"{server.base}/#{to}")


def press(browser: Any, text: str) -> None:
    """Press the button of a text."""
    find = "[...document.querySelectorAll('button')].find((one) => one.textContent === arguments[0])"
    browser.execute_script(f"{find}.click()", text)


def look(browser: Any, name: str) -> None:
    if LOOKS:
        browser.save_screenshot(str(Path(LOOKS) / f"{name}.png"))


CARDS = "[...document.querySelectorAll('.af-card .af-name')].map((one) => one.textContent)"


def test_the_list_shows_what_was_built_and_what_arrives_without_a_reload(browser: Any, server: Server) -> None:
    wait_for(browser, f"return {CARDS}.join() === 'a00,a01,a02,a03'")
    wait_for(browser, "return document.querySelectorAll('.af-card img').length >= 3")
    look(browser, "list")
    (server.folder / "textures" / "later_d.png").write_bytes(picture(7))
    wait_for(browser, f"return {CARDS}.includes('later')")
    browser.execute_script(
        "const find = document.querySelector('#find'); find.value = 'LAT'; find.dispatchEvent(new Event('input'))"
    )
    wait_for(
        browser, f"return {CARDS}.join() === 'later' && document.querySelector('.af-count').textContent === '1 asset'"
    )


def test_a_failure_is_shown_as_text_and_retried(browser: Any, server: Server) -> None:
    go(browser, server, "pipeline/asset/a03")
    error = wait_for(browser, "return document.querySelector('.af-detail .af-error')?.textContent")
    assert "<img src=x onerror=" in error
    assert browser.execute_script("return document.title").startswith("a03")
    assert browser.execute_script("return document.querySelectorAll('img[src=x]').length") == 0
    look(browser, "failure")
    before = (server.folder / "executions").read_text().count("3\n")
    browser.execute_script(
        "[...document.querySelectorAll('button')].find((one) => one.textContent === 'Retry').click()"
    )
    from serve.conftest import wait_for as wait

    wait(lambda: (server.folder / "executions").read_text().count("3\n") > before)


def test_an_upload_by_the_form_comes_back_as_maps_on_the_same_page(
    browser: Any, server: Server, tmp_path: Path
) -> None:
    (tmp_path / "bark_base_color.png").write_bytes(picture(8))
    go(browser, server, "pipeline/upload")
    wait_for(browser, "return document.querySelector('form.upload')")
    browser.execute_script(
        "document.querySelector('details').open = true; document.querySelector('#param-work-gain').value = 0.25"
    )
    browser.find_element("id", "slot-base_color").send_keys(str(tmp_path / "bark_base_color.png"))
    wait_for(browser, "return document.querySelector('.slot img')?.naturalWidth")
    assert browser.execute_script("return document.querySelector('#field-name').value") == "bark"
    look(browser, "upload")
    browser.execute_script("window.here = true")
    press(browser, "Make the maps")
    wait_for(browser, "return document.querySelector('.af-detail h2')?.textContent === 'bark'")
    assert browser.execute_script("return window.here")
    assert '"work.gain": 0.25' in (server.folder / "textures" / "bark_d.png.forge.yaml").read_text()
    wait_for(browser, "return document.querySelectorAll('.af-maps button canvas').length")
    look(browser, "asset")


def test_an_upload_over_a_source_is_refused_until_it_is_asked_for(browser: Any, server: Server, tmp_path: Path) -> None:
    (tmp_path / "a00.png").write_bytes(picture(9))
    go(browser, server, "pipeline/upload")
    wait_for(browser, "return document.querySelector('form.upload')")
    browser.find_element("id", "slot-base_color").send_keys(str(tmp_path / "a00.png"))
    press(browser, "Make the maps")
    said = "document.querySelector('form.upload .af-error')?.textContent"
    wait_for(browser, f"return {said}?.includes('a00_d.png is there already')")
    browser.execute_script(
        "document.querySelector('#replace').checked = true; document.querySelector('form.upload .main').click()"
    )
    wait_for(browser, "return document.querySelector('.af-detail h2')?.textContent === 'a00'")
    assert (server.folder / "textures" / "a00_d.png").read_bytes() == picture(9)


@pytest.mark.parametrize("page", ["pipeline", "pipeline/upload", "pipeline/asset/a01", "pipeline/asset/a03"])
def test_the_page_fits_a_phone_and_says_nothing_to_the_console(page: str, browser: Any, server: Server) -> None:
    metrics = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    )
    try:
        browser.get_log("browser")
        go(browser, server, page)
        wait_for(browser, "return document.querySelector('.af-card, form.upload, .af-detail')")
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
        look(browser, f"phone_{page.replace('/', '_')}")
        assert [one["message"] for one in browser.get_log("browser") if one["level"] == "SEVERE"] == []
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@pytest.mark.parametrize("page", ["pipeline", "pipeline/upload", "pipeline/asset/a01", "pipeline/asset/a03"])
def test_a_checker_of_accessibility_finds_nothing_serious(page: str, browser: Any, server: Server) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not there; run `make viewer`")
    go(browser, server, page)
    wait_for(browser, "return document.querySelector('.af-card, form.upload, .af-detail')")
    browser.execute_cdp_cmd("Runtime.evaluate", {"expression": AXE.read_text()})
    found = browser.execute_async_script("axe.run().then((found) => arguments[0](found.violations))")
    assert [
        f"{one['id']}: {node['html'][:160]}"
        for one in found
        for node in one["nodes"]
        if one["impact"] in ("serious", "critical")
    ] == []
