"""The report in a real browser: what is lit, compared and tiled, by pixels; keys, policies, accessibility."""

from __future__ import annotations

import base64
import functools
import http.server
import io
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from looks import SECONDS, asset, bump, flat, gray, looking, many, picture, report_of, start_browser
from PIL import Image

from assetforge.codecs.reading import Reading
from assetforge.flags import Flag
from assetforge.viewer.bundle import STATIC
from assetforge.viewer.previews import Previews
from assetforge.viewer.write import write_report

pytestmark = pytest.mark.browser
AXE = STATIC.parent / "build" / "node_modules" / "axe-core" / "axe.min.js"
JENKINS = "sandbox; default-src 'none'; img-src 'self'; style-src 'self';"
STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
PIXELS = """
const canvas = document.querySelector(arguments[0] + " canvas");
const drawn = document.createElement("canvas");
drawn.width = canvas.width / 2;
drawn.height = canvas.height / 2;
const context = drawn.getContext("2d");
context.imageSmoothingEnabled = false;
context.fillRect(0, 0, drawn.width, drawn.height);
context.drawImage(canvas, 0, 0, drawn.width, drawn.height);
return drawn.toDataURL().split(",")[1];
"""


READY = """
const [settings, done] = arguments;
const view = document.querySelector("af-material");
view.ready.then(() => { view.configure(settings); done(); });
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    started = start_browser(800, 560)
    yield started
    started.quit()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    write = functools.partial(picture, home)
    white, matt = write("white", "base_color", flat(200, 200, 200)), write("matt", "roughness", gray(255))
    metal = {"base_color": white, "metalness": write("metal", "metalness", gray(255))}
    seam = gray(100)[..., None].repeat(3, 2).copy()
    seam[:, :4] = 255
    red, green = write("red", "base_color", flat(220, 20, 20)), write("green", "base_color", flat(20, 220, 20))
    down = Reading(green="down")
    assets = [
        asset("bump_up", {"base_color": white, "normal": write("up", "normal", bump(green_down=False)), "r": matt}),
        asset(
            "bump_down", {"base_color": white, "normal": write("dn", "normal", bump(green_down=True), down), "r": matt}
        ),
        asset("mirror", {**metal, "roughness": write("r01", "roughness", gray(26))}),
        asset("chalk", {**metal, "roughness": write("r09", "roughness", gray(230))}),
        asset("height", {"base_color": white, "height": write("h", "height", gray(90))}),
        asset("seam", {"base_color": write("seam", "base_color", seam)}),
        asset("pair", {"base_color": green}, (red,), seconds=2.0, notes={"upscale": {"psnr": 30}}),
        asset("broken", {}, (red,), state="failed", error="step `upscale`: crashed", flags=(Flag("is bad", "error"),)),
    ]
    with Previews(home / "previews") as previews:
        write_report(home / "report", report_of(assets), assets, previews, home)
    return home / "report"


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("large")
    assets = many(1000, picture(home, "shown", "base_color", flat(90, 120, 60)))
    with Previews(home / "previews") as previews:
        write_report(home / "report", report_of(assets), assets, previews, home)
    return home / "report"


def wait_for(browser: Any, script: str) -> Any:
    """Wait until a script gives something true."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, SECONDS, 0.05).until(lambda _: browser.execute_script(script))


def open_asset(browser: Any, report: Path, name: str, tab: str) -> None:
    """Show an asset; the page is loaded anew only if it is another one, as that takes long where no card draws."""
    if not browser.current_url.startswith(report.as_uri()):
        browser.get(f"{report.as_uri()}/index.html?light=lamp")
        wait_for(browser, "return document.querySelector('af-grid') !== null")
    browser.execute_script("location.hash = arguments[0]", name)
    wait_for(browser, "return document.querySelector('.af-detail h2')?.textContent === " + repr(name))
    browser.execute_script("document.querySelector(`[data-tab=${arguments[0]}]`).click()", tab)
    if tab == "lit":
        browser.execute_async_script(READY, {})
    else:
        element = f"document.querySelector('af-{tab}')"
        wait_for(browser, f"return ({element}.bitmap ?? {element}.bitmaps?.after) && {element}.view.width > 0")


def pixels(browser: Any, tab: str) -> np.ndarray[Any, Any]:
    """Return every other pixel of what is drawn, (H, W, 3)."""
    draw = {"lit": "document.querySelector('af-material')"}.get(tab, f"document.querySelector('af-{tab}').view")
    browser.execute_script(f"{draw}.render()")
    png = base64.b64decode(browser.execute_script(PIXELS, {"lit": "af-material"}.get(tab, f"af-{tab}")))
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), float)


def lit(browser: Any, report: Path, name: str, settings: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    open_asset(browser, report, name, "lit")
    still = {
        "shape": "plane",
        "environment": 0,
        "displacement": 0,
        "around": 0,
        "repeat": 1,
        "show": "",
        "lamp": 1,
        **settings,
    }
    browser.execute_async_script(READY, still)
    return pixels(browser, "lit")


def middle(drawn: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the column in the middle, brightness by row."""
    width = drawn.shape[1]
    column: np.ndarray[Any, Any] = drawn[:, width // 2 - 3 : width // 2 + 3].mean((1, 2))
    return column


def errors(browser: Any) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.mark.parametrize("name", [pytest.param("bump_up", marks=pytest.mark.slow), "bump_down"])
def test_light_from_above_brightens_the_upper_slope(browser: Any, report: Path, name: str) -> None:
    column = middle(lit(browser, report, name, {"above": 35}))
    half = len(column) // 2
    away = len(column) // 10
    upper, lower = column[half - 2 * away : half - away // 2].mean(), column[half + away // 2 : half + 2 * away].mean()
    assert upper > 1.4 * lower
    below = middle(lit(browser, report, name, {"above": -10, "around": 180}))
    assert below.max() < column.max()


def test_roughness_widens_the_highlight(browser: Any, report: Path) -> None:
    def width(name: str, lamp: float) -> int:
        """Return in how many rows there is half of the most light; the lamp is so weak that none is white."""
        light = (middle(lit(browser, report, name, {"above": 20, "lamp": lamp})) / 255) ** 2.2
        assert 0.05 < light.max() < 0.9
        return int((light > light.max() / 2).sum())

    assert width("chalk", 0.8) >= 3 * width("mirror", 0.008) > 0


@pytest.mark.parametrize(
    ("name", "shown", "value"),
    [pytest.param("chalk", "roughness", 230, marks=pytest.mark.slow), ("height", "height", 90)],
)
def test_a_map_is_shown_alone_as_it_is(browser: Any, report: Path, name: str, shown: str, value: int) -> None:
    drawn = lit(browser, report, name, {"show": shown})
    assert abs(drawn[drawn.shape[0] // 2, drawn.shape[1] // 2] - value).max() <= 3


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["sphere", "plane", "cube", "cloth"])
def test_each_shape_is_drawn(browser: Any, report: Path, shape: str) -> None:
    drawn = lit(browser, report, "height", {"shape": shape, "above": 30, "displacement": 0.1, "repeat": 2})
    assert middle(drawn)[len(drawn) // 2] > 60
    assert drawn[:4].max() == 0


@pytest.mark.slow
def test_arrow_keys_turn_the_lamp(browser: Any, report: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    before = lit(browser, report, "mirror", {"shape": "sphere", "around": -40})
    canvas = browser.find_element("css selector", "af-material canvas")
    canvas.send_keys(Keys.ARROW_RIGHT * 16)
    after = pixels(browser, "lit")
    assert browser.execute_script("return document.querySelector('af-material').state.around") == 40

    def brightest(drawn: np.ndarray[Any, Any]) -> float:
        columns = np.nonzero(drawn.mean(2) >= 0.95 * drawn.mean(2).max())[1]
        return float(columns.mean()) / drawn.shape[1]

    assert brightest(before) < 0.5 < brightest(after)


def test_tiling_shows_a_planted_seam_at_each_edge(browser: Any, report: Path) -> None:
    open_asset(browser, report, "seam", "tile")
    row = pixels(browser, "tile")
    row = row[len(row) // 2].mean(1)
    assert seams(row) == 3


def test_half_an_offset_puts_the_seam_in_the_middle(browser: Any, report: Path) -> None:
    open_asset(browser, report, "seam", "tile")
    browser.execute_script(
        "const tile = document.querySelector('af-tile'); tile.repeat(1); tile.half.checked = true; tile.view.fit()"
    )
    drawn = pixels(browser, "tile")
    row = drawn[len(drawn) // 2].mean(1)
    (found,) = np.nonzero(row > 200)
    assert abs(found.mean() / len(row) - 0.5) < 0.03


def seams(row: np.ndarray[Any, Any]) -> int:
    bright = (row > 200).astype(int)
    return int((np.diff(np.concatenate([[0], bright])) == 1).sum())


def test_the_slider_shows_the_source_left_and_the_result_right(browser: Any, report: Path) -> None:
    open_asset(browser, report, "pair", "compare")
    drawn = pixels(browser, "compare")
    line = drawn[len(drawn) // 2]
    left, right = line[int(len(line) * 0.42)], line[int(len(line) * 0.58)]
    assert left[0] > 180 > 80 > left[1]
    assert right[1] > 180 > 80 > right[0]


def test_the_border_moves_by_keys(browser: Any, report: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    open_asset(browser, report, "pair", "compare")
    browser.find_element("css selector", ".af-border").send_keys(Keys.HOME)
    drawn = pixels(browser, "compare")
    assert drawn[len(drawn) // 2, int(drawn.shape[1] * 0.42), 1] > 180  # the result is everywhere


@pytest.mark.slow
def test_the_difference_is_enlarged(browser: Any, report: Path) -> None:
    open_asset(browser, report, "pair", "compare")
    browser.execute_script("document.querySelector('af-compare').choose('difference')")
    drawn = pixels(browser, "compare")
    assert drawn[len(drawn) // 2, drawn.shape[1] // 2].tolist() == pytest.approx([255, 255, 0], abs=40)


def test_pixels_are_squares_where_they_are_large(browser: Any, report: Path) -> None:
    open_asset(browser, report, "seam", "compare")
    browser.execute_script("document.querySelector('af-compare').view.zoom_to(128 * 24)")
    browser.execute_script("const view = document.querySelector('af-compare').view; view.center = [4 / 128, 0.5]")
    drawn = pixels(browser, "compare")
    row = drawn[len(drawn) // 2].mean(1)
    edge = (row > 130) & (row < 225)
    assert edge.sum() <= 1 + 24 // 2  # one pixel that the preview itself has mixed, and no blur


def test_a_failure_shows_what_is_wrong(browser: Any, report: Path) -> None:
    browser.get(f"{report.as_uri()}/index.html?light=lamp#broken")
    wait_for(browser, "return document.querySelector('.af-detail') !== null")
    text = browser.find_element("css selector", ".af-side").text
    for words in ("Failed", "step `upscale`: crashed", "Error", "is bad"):
        assert words in text


def test_keys_lead_through_the_report(browser: Any, report: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    browser.get("about:blank")
    browser.get(f"{report.as_uri()}/index.html?light=lamp")
    wait_for(browser, "return document.querySelectorAll('.af-card').length === 8")

    def press(*keys: str) -> None:
        ActionChains(browser).send_keys(*keys).perform()

    def title(text: str) -> None:
        wait_for(browser, f"return (document.querySelector('.af-detail h2')?.textContent ?? '') === {text!r}")

    press(Keys.ARROW_RIGHT, Keys.ENTER)
    title("bump_down")
    press("j")
    title("mirror")
    press("k", "c")
    wait_for(browser, "return document.querySelector('af-compare') !== null")
    press(Keys.ESCAPE)
    title("")
    press("/", "chalk")
    wait_for(browser, "return document.querySelectorAll('.af-card').length === 1")
    assert errors(browser) == []


@pytest.mark.slow
def test_the_report_of_1000_assets_opens_without_strain(browser: Any, large: Path) -> None:
    (index,) = (large / "data").glob("index-*.js")
    assert (large / "index.html").stat().st_size + index.stat().st_size < 3e6
    browser.get(f"{large.as_uri()}/index.html")
    count = "return document.querySelectorAll('.af-card').length"
    wait_for(browser, count)
    assert browser.execute_script(count) <= 100
    assert browser.execute_script("return document.querySelectorAll('*').length") < 2000
    assert browser.execute_script("return document.scripts.length") == 3  # no asset is loaded before it is asked for
    browser.execute_script("document.querySelector('af-grid').select(999)")
    wait_for(browser, "return document.querySelector('#card-999 .af-name')?.textContent === 'material_0999'")
    assert browser.execute_script(count) <= 100
    assert (
        browser.execute_script(
            "return performance.timing.domContentLoadedEventEnd - performance.timing.navigationStart"
        )
        < 5000
    )
    assert errors(browser) == []


class _Quiet(http.server.SimpleHTTPRequestHandler):
    policy = ""

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", self.policy)
        super().end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(report: Path) -> Iterator[Callable[[str], str]]:
    """Serve the report under a content policy; give its address."""
    servers: list[http.server.ThreadingHTTPServer] = []

    def serve(policy: str) -> str:
        handler = type("Handler", (_Quiet,), {"policy": policy})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(report)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}/index.html"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_without_scripts_there_are_a_table_and_pictures(browser: Any, served: Callable[[str], str]) -> None:
    browser.get(served(JENKINS))
    shown = "return [...document.images].filter((image) => image.complete && image.naturalWidth > 0).length"
    wait_for(browser, shown)
    assert len(browser.find_elements("css selector", "tbody tr")) == 8
    assert browser.find_element("css selector", ".af-plain").value_of_css_property("max-width") == "1200px"  # styled
    assert not browser.find_elements("css selector", ".af-card")
    with looking(browser, 390, "light"):
        row = browser.find_element("css selector", "tbody tr").size["width"]
        assert 300 < row <= 390
        cells = browser.find_elements("css selector", "td:not(:empty)")
        assert min(one.size["width"] for one in cells) > 0.8 * row
    browser.get_log("browser")  # that scripts were refused


@pytest.mark.slow
def test_a_file_of_1000_assets_is_read_without_scripts(browser: Any, large: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(f"{large.as_uri()}/index.html")
        assert len(browser.find_elements("css selector", "tbody tr")) == 1000
        pictures = browser.find_elements("css selector", "tbody img")
        assert len(pictures) >= 1000
        assert pictures[0].size["width"] > 16
        assert not browser.find_elements("css selector", ".af-card")
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_all_works_under_a_strict_policy(browser: Any, served: Callable[[str], str]) -> None:
    browser.get(served(STRICT) + "?light=lamp#pair")
    wait_for(browser, "return document.querySelector('af-material .af-message')?.textContent === ''")
    browser.execute_script("document.querySelector('[data-tab=compare]').click()")
    wait_for(browser, "return document.querySelector('af-compare').bitmaps?.after")
    assert errors(browser) == []


WHEN_THERE_IS_A_BODY = """
new MutationObserver((_, observer) => {
  if (!document.body) return;
  globalThis.themeAtFirst = document.documentElement.dataset.theme;
  observer.disconnect();
}).observe(document, { childList: true, subtree: true });
"""


def test_the_theme_that_was_chosen_is_kept_and_there_before_anything_is_drawn(
    browser: Any, served: Callable[[str], str]
) -> None:
    address = served(STRICT)
    note = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WHEN_THERE_IS_A_BODY})
    try:
        with looking(browser, 800, "light"):
            for themes in ((None, "dark"), ("dark", "light"), ("light", "dark")):
                browser.get(address)
                wait_for(browser, "return document.querySelector('.af-head .af-theme')").click()
                now = "return [globalThis.themeAtFirst ?? null, document.documentElement.dataset.theme]"
                assert tuple(browser.execute_script(now)) == themes
        assert errors(browser) == []
    finally:
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", note)


def test_the_theme_changes_where_nothing_may_be_stored(browser: Any, served: Callable[[str], str]) -> None:
    with looking(browser, 800, "light"):
        browser.get(served("sandbox allow-scripts"))
        wait_for(browser, "return document.querySelector('.af-head .af-theme')").click()
        assert browser.execute_script("return document.documentElement.dataset.theme") == "dark"
    assert errors(browser) == []


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_accessibility_checker_finds_nothing_serious(browser: Any, report: Path, scheme: str) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not there; run `make viewer`")
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    open_asset(browser, report, "pair", "compare")
    found = check(browser)
    for tab in ("tile", "lit"):
        browser.execute_script("document.querySelector(`[data-tab=${arguments[0]}]`).click()", tab)
        found += check(browser)
    browser.get("about:blank")
    browser.get(f"{report.as_uri()}/index.html")
    wait_for(browser, "return document.querySelectorAll('.af-card').length")
    found += check(browser)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert not found


def check(browser: Any) -> list[str]:
    """Return what axe finds that is serious."""
    browser.execute_script(AXE.read_text())
    run = "axe.run().then((found) => arguments[0](found.violations))"
    return [
        f"{one['id']}: {node['html'][:160]}"
        for one in browser.execute_async_script(run)
        for node in one["nodes"]
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.slow
@pytest.mark.parametrize("width", [320, 390, 768])
def test_nothing_is_wider_than_a_phone(browser: Any, report: Path, width: int) -> None:
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        for place in ("", "#pair", "#broken"):
            browser.get("about:blank")
            browser.get(f"{report.as_uri()}/index.html?light=lamp{place}")
            wait_for(browser, "return document.querySelector('.af-card, .af-detail') !== null")
            assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
