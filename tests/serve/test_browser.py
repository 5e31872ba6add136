"""The page in a real browser: what is built appears, uploads come back as maps, and strange names do nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
from execute.conftest import descendants, write_project
from looks import SECONDS, looking, start_browser
from serve.conftest import Server
from serve.test_live import command_of
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
    started.get(f"{server.base}/#pipeline/asset/a00")
    wait_for(started, "return document.querySelector('.enter form')")
    look(started, "enter")
    started.get(server.entry)  # in the same tab, as who was led there does
    wait_for(started, "return document.querySelector('.af-count')?.textContent")
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


NAME = "(one) => one.querySelector('.af-name').textContent"


def test_the_theme_that_was_chosen_is_kept(browser: Any, server: Server) -> None:
    with looking(browser, 1280, "light"):
        for theme in ("dark", "light"):
            go(browser, server, "pipeline")
            wait_for(browser, "return document.querySelector('.af-head .af-theme')").click()
            for page in ("enter", "docs", ""):
                browser.get(f"{server.base}/{page}")
                assert browser.execute_script("return document.documentElement.dataset.theme") == theme
    browser.execute_script("localStorage.clear()")


def test_what_changes_leaves_all_other_cards_and_their_pictures_alone(browser: Any, server: Server) -> None:
    go(browser, server, "pipeline")
    wait_for(browser, "return document.querySelectorAll('.af-card img').length >= 3")
    wait_for(browser, "return [...document.querySelectorAll('.af-card img')].every((one) => one.naturalWidth)")
    browser.execute_script(
        f"const name = {NAME}; document.querySelectorAll('.af-card').forEach((one) => {{ one.mine = name(one) }});"
        "document.querySelector('.af-cards').focus(); performance.clearResourceTimings()"
    )
    (server.folder / "textures" / "a00a_d.png").write_bytes(picture(27))
    at = f"const at = {CARDS}.indexOf('a00a'); const cards = [...document.querySelectorAll('.af-card')];"
    wait_for(browser, f"{at} return at === 1 && cards[at].querySelector('img')?.naturalWidth")
    browser.execute_script(f"{at} cards[at].mine = 'a00a'")
    assert browser.execute_script(f"{at} return cards.every((one) => one.mine === ({NAME})(one))")
    assert browser.execute_script("return document.activeElement.className") == "af-cards"
    fetched = browser.execute_script("return performance.getEntriesByType('resource').map((one) => one.name)")
    assert {one.partition("/thumbs/")[2].partition("?")[0] for one in fetched if "/thumbs/" in one} == {"a00a"}


def test_what_quarantine_is_and_what_ends_it_is_told(browser: Any, server: Server) -> None:
    go(browser, server, "pipeline")
    wait_for(browser, f"return {CARDS}.includes('a03')")
    find = "[...document.querySelectorAll('.af-total')].find((one) => one.textContent.includes('Quarantined'))"
    wait_for(browser, f"return {find}")
    browser.execute_script(f"{find}.click()")
    wait_for(browser, "return document.querySelector('p.about').textContent.includes('left alone')")
    wait_for(browser, f"return {CARDS}.join() === 'a03'")
    assert "<img src=x" in browser.execute_script("return document.querySelector('.af-card .why').textContent")
    wait_for(browser, "return document.querySelector('.af-card img')?.naturalWidth")
    look(browser, "failed")
    assert serious(browser) == []
    browser.execute_script(f"{find}.click()")
    assert browser.execute_script("return document.querySelector('p.about').textContent") == ""
    assert browser.find_elements("css selector", ".af-head .af-theme")


def test_pictures_that_are_still_being_made_are_waited_for(browser: Any, server: Server) -> None:
    go(browser, server, "pipeline")
    wait_for(browser, "return document.querySelector('.af-card img')?.naturalWidth")
    (worker,) = [pid for pid in descendants(server.process.pid) if "preview_worker" in command_of(pid)]
    image = "document.querySelector('.af-card img')"
    os.kill(worker, signal.SIGSTOP)
    try:
        (server.folder / "textures" / "slow_d.png").write_bytes(picture(17))
        go(browser, server, "pipeline")
        wait_for(browser, "return document.querySelector('#find')")
        browser.execute_script(
            "const find = document.querySelector('#find'); find.value = 'slow'; find.dispatchEvent(new Event('input'))"
        )
        wait_for(browser, f"return {CARDS}.join() === 'slow' && {image}")
        asked = f"performance.getEntriesByType('resource').filter((one) => one.name === {image}?.src)"
        wait_for(browser, f"return {asked}.some((one) => one.initiatorType === 'fetch')")  # it is asked for again
        assert not browser.execute_script(f"return {image}.naturalWidth")
    finally:
        os.kill(worker, signal.SIGCONT)
    wait_for(browser, f"return {image}?.naturalWidth")
    go(browser, server, "pipeline/asset/slow")
    wait_for(browser, "return document.querySelectorAll('.af-maps button canvas').length")


def test_runs_are_listed_for_who_opens_them(browser: Any, server: Server) -> None:
    go(browser, server, "pipeline")
    wait_for(browser, "return document.querySelector('.runs')").find_element("css selector", "summary").click()
    row = wait_for(browser, "return document.querySelector('.runs li span')?.parentElement.textContent")
    assert "watch by " in row
    assert "at work" in row
    look(browser, "runs")
    assert serious(browser) == []


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
        "document.querySelector('.upload details').open = true; document.querySelector('#param-work-gain').value = 0.25"
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
    links = browser.execute_script("return [...document.querySelectorAll('.af-part a')].map((one) => one.textContent)")
    assert links == ["build/bark/bark_base_color.png", "textures/bark_d.png"]
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
    with looking(browser, 390, "dark"):
        browser.get_log("browser")
        go(browser, server, page)
        wait_for(browser, "return document.querySelector('.af-card, form.upload, .af-detail')")
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
        look(browser, f"phone_{page.replace('/', '_')}")
        assert [one["message"] for one in browser.get_log("browser") if one["level"] == "SEVERE"] == []


def test_on_a_phone_nothing_lies_over_anything(browser: Any, server: Server) -> None:
    with looking(browser, 390, "light", 480):
        go(browser, server, "pipeline/asset/a01")
        wait_for(browser, "return document.querySelector('.af-maps button')")
        place = "const place = (name) => document.querySelector(name).getBoundingClientRect();"
        parts = [".af-nav", ".af-tabs", ".af-view", ".af-side"]
        places = browser.execute_script(f"{place} return arguments[0].map((name) => place(name).toJSON())", parts)
        assert all(one["height"] > 30 and one["bottom"] <= two["top"] for one, two in pairwise(places)), places
        look(browser, "phone_parts")


@pytest.mark.parametrize("page", ["pipeline", "pipeline/upload", "pipeline/asset/a01", "pipeline/asset/a03"])
def test_a_checker_of_accessibility_finds_nothing_serious(page: str, browser: Any, server: Server) -> None:
    for width, scheme in product((1280, 390), ("light", "dark")):
        with looking(browser, width, scheme):
            go(browser, server, page)
            wait_for(browser, "return document.querySelector('.af-card, form.upload, .af-detail')")
            assert serious(browser) == [], (width, scheme)


def serious(browser: Any) -> list[str]:
    """Return what axe finds that is serious on the page."""
    if not AXE.is_file():
        pytest.skip("axe-core is not there; run `make viewer`")
    browser.execute_cdp_cmd("Runtime.evaluate", {"expression": AXE.read_text()})
    found = browser.execute_async_script("axe.run().then((found) => arguments[0](found.violations))")
    return [
        f"{one['id']}: {node['html'][:160]}"
        for one in found
        for node in one["nodes"]
        if one["impact"] in ("serious", "critical")
    ]


def test_an_upload_of_which_there_are_variants_leads_to_each_of_them(browser: Any, tmp_path: Path) -> None:
    folder = write_project(tmp_path / "project", assets=0)
    text = (folder / "pipeline.yaml").read_text().replace("build/{name}", "build/{name}_{gain}")
    (folder / "pipeline.yaml").write_text(f"{text}variants: {{work.gain: [0.25, 0.5, 0.75]}}\n")
    (tmp_path / "fern.png").write_bytes(picture(4))
    server = Server(folder, "pipeline.yaml")
    try:
        browser.get(server.entry)
        wait_for(browser, "return document.querySelector('.af-count')?.textContent")
        go(browser, server, "pipeline/upload")
        wait_for(browser, "return document.querySelector('form.upload')")
        browser.find_element("id", "slot-base_color").send_keys(str(tmp_path / "fern.png"))
        wait_for(browser, "return document.querySelector('.slot img')?.naturalWidth")
        press(browser, "Make the maps")
        wait_for(browser, "return document.querySelectorAll('.variants img').length === 3")
        wait_for(browser, "return [...document.querySelectorAll('.variants img')].every((one) => one.naturalWidth)")
        look(browser, "variants")
        assert serious(browser) == []
        browser.find_element("css selector", ".variants li:nth-child(2) a").click()
        wait_for(browser, "return document.querySelector('.af-detail h2')?.textContent === 'fern[gain=0.5]'")
    finally:
        server.stop()


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server without a pipeline, which offers those to begin with."""
    started = Server(tmp_path_factory.mktemp("starter"))
    yield started
    started.stop()


CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


@pytest.fixture(scope="module")
def visitor(starter: Server) -> Iterator[Any]:
    """A browser at the starter, with a camera that sees a moving picture."""
    started = start_browser(1280, 800, CAMERA)
    started.get(starter.entry)
    wait_for(started, "return document.querySelector('.chooser')")
    yield started
    started.quit()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_first_page_of_a_beginner_is_for_all(width: int, scheme: str, visitor: Any, starter: Server) -> None:
    with looking(visitor, width, scheme):
        for page, shown in (("", ".chooser li"), ("photo_to_material/upload", "form.upload .slot")):
            go(visitor, starter, page)
            wait_for(visitor, f"return document.querySelector('{shown}')")
            assert serious(visitor) == []
            assert visitor.execute_script("return document.documentElement.scrollWidth") <= width
            look(visitor, f"starter_{page.partition('/')[2] or 'chooser'}_{width}_{scheme}")


def test_steps_and_parameters_are_called_by_their_titles(visitor: Any, starter: Server) -> None:
    go(visitor, starter, "photo_to_material/upload")
    wait_for(visitor, "return document.querySelector('form.upload legend')")
    titles = "return [...document.querySelectorAll('legend, fieldset label')].map((one) => one.textContent)"
    assert visitor.execute_script(titles)[:3] == ["SVBRDF", "Field of view", "Gray card"]


@pytest.mark.parametrize("width", [1280, 390])
def test_the_second_photograph_is_taken_with_the_first_one_laid_over(width: int, visitor: Any, starter: Server) -> None:
    take = "document.querySelector('dialog.camera .main').click()"
    with looking(visitor, width, "dark"):
        go(visitor, starter, "photo_to_material/upload")
        wait_for(visitor, "return document.querySelectorAll('form.upload .slot').length === 2")
        press(visitor, "Camera: Flash")
        wait_for(visitor, "return document.querySelector('.camera video')?.videoWidth")
        assert not visitor.find_elements("css selector", ".camera .overlay")
        visitor.execute_script(take)
        wait_for(visitor, "return document.querySelector('.slot .shown img')?.naturalWidth")
        press(visitor, "Camera: Guide")
        wait_for(visitor, "return document.querySelector('.camera video')?.videoWidth")
        wait_for(visitor, "return document.querySelector('.camera .overlay')?.naturalWidth")
        over = "const [video, over] = ['video', '.overlay'].map((one) => document.querySelector(`.camera ${one}`));"
        places = visitor.execute_script(
            f"{over} return [video, over].map((one) => one.getBoundingClientRect().toJSON())"
        )
        assert places[0] == places[1]  # so that both show the same part of the surface
        assert visitor.execute_script(f"{over} return video.videoWidth === over.naturalWidth")
        assert visitor.execute_script(f"{over} return getComputedStyle(over).opacity") == "0.4"
        look(visitor, f"camera_{width}")
        visitor.execute_script(
            "const range = document.querySelector('.camera input'); range.value = 80;"
            "range.dispatchEvent(new Event('input'))"
        )
        assert visitor.execute_script(f"{over} return getComputedStyle(over).opacity") == "0.8"
        assert serious(visitor) == []
        visitor.execute_script(take)
        wait_for(visitor, "return document.querySelectorAll('.slot .shown img').length === 2")
        wait_for(visitor, "return !document.querySelector('dialog')")
        assert visitor.execute_script("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("torch", [False, True])
def test_the_flash_is_the_light_of_the_camera_or_is_said_to_be_missing(
    torch: bool, visitor: Any, starter: Server
) -> None:
    go(visitor, starter, "photo_to_material/upload")
    wait_for(visitor, "return document.querySelectorAll('form.upload .slot').length === 2")
    visitor.execute_script(
        "window.asked = []; const torch = arguments[0]; MediaStreamTrack.prototype.getCapabilities = () => ({ torch });"
        "MediaStreamTrack.prototype.applyConstraints = async (one) => { window.asked.push(one) };",
        torch,
    )
    for name in ("Guide", "Flash"):
        press(visitor, f"Camera: {name}")
        said = wait_for(
            visitor,
            "const said = document.querySelector('.camera [role=status]').textContent;"
            "return said.includes('Waiting') ? null : [said]",
        )[0]
        is_lit = torch and name == "Flash"
        assert ("cannot switch the camera's light on" in said) == (name == "Flash" and not torch)
        assert visitor.execute_script("return window.asked") == ([{"advanced": [{"torch": True}]}] if is_lit else [])
        press(visitor, "Cancel")


def test_photographs_of_the_camera_are_sent(visitor: Any, starter: Server) -> None:
    go(visitor, starter, "photo_to_material/upload")
    wait_for(visitor, "return document.querySelectorAll('form.upload .slot').length === 2")
    for number, name in enumerate(("Flash", "Guide"), 1):
        press(visitor, f"Camera: {name}")
        wait_for(visitor, "return document.querySelector('.camera video')?.videoWidth")
        visitor.execute_script("document.querySelector('dialog.camera .main').click()")
        wait_for(visitor, f"return document.querySelectorAll('.slot .shown img').length === {number}")
    visitor.execute_script("document.querySelector('#field-name').value = 'floor'")
    press(visitor, "Make the maps")
    wait_for(visitor, "return document.querySelector('.pending h2, .af-detail h2')?.textContent === 'floor'", 120)
    photos = starter.folder / "starter" / "photo_to_material" / "photos"
    sent = {path.name: path.read_bytes()[:3] for path in photos.glob("floor_*.jpg")}
    assert sent == {"floor_flash.jpg": b"\xff\xd8\xff", "floor_guide.jpg": b"\xff\xd8\xff"}
