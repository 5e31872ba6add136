"""Assets to look at: files whose pictures tell what a page does with them, and the browser that shows it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from assetforge.codecs.reading import PLAIN, Reading
from assetforge.flags import Flag
from assetforge.material.map_spec import MAPS
from assetforge.report import JobReport, Report
from assetforge.viewer.data import ShownAsset
from assetforge.viewer.pictures import Picture

SIDE = 128
FLAGS = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--use-angle=swiftshader",
         "--enable-unsafe-swiftshader", "--hide-scrollbars"]  # fmt: skip
SECONDS = 60


def picture(folder: Path, name: str, map_name: str, pixels: np.ndarray[Any, Any], reading: Reading = PLAIN) -> Picture:
    """Write RGB or gray pixels as a PNG, and return the map in it."""
    path = folder / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels[..., ::-1] if pixels.ndim == 3 else pixels)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Picture(f"{name}.png", path, digest, MAPS[map_name], reading)


def flat(*color: int) -> np.ndarray[Any, Any]:
    return np.full((SIDE, SIDE, 3), color, np.uint8)


def gray(value: int) -> np.ndarray[Any, Any]:
    return np.full((SIDE, SIDE), value, np.uint8)


def bump(*, green_down: bool) -> np.ndarray[Any, Any]:
    """Normals of a round hill in the middle, 8 bits, with green up or down."""
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    slope = np.exp(-6 * (x**2 + y**2))
    normal = np.stack([4 * x * slope, -4 * y * slope, np.ones_like(x)], 2)  # +Y is up, and rows go down
    if green_down:
        normal[..., 1] *= -1
    normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    codes: np.ndarray[Any, Any] = np.rint((normal * 0.5 + 0.5) * 255).astype(np.uint8)
    return codes


def asset(name: str, outputs: Mapping[str, Picture], sources: tuple[Picture, ...] = (), **job: Any) -> ShownAsset:
    """Return an asset that was built, unless `job` says otherwise."""
    told = {"state": "done", "outputs": tuple(one.file for one in outputs.values()), **job}
    return ShownAsset(JobReport(name, **told), name, sources, tuple(outputs.values()))


def report_of(assets: list[ShownAsset], **others: Any) -> Report:
    return Report("looks", tuple(one.job for one in assets), 1.0, **others)


def many(count: int, shown: Picture) -> list[ShownAsset]:
    """Return assets that all look the same, every tenth failed and every seventh doubtful."""
    doubtful = (Flag("is the same everywhere", "warning", "height", check="constant", by="validate"),)
    failed = {"state": "failed", "error": "step `validate`: 1 check failed"}
    return [
        asset(
            f"material_{number:04}",
            {"base_color": shown},
            (shown,),
            flags=doubtful if number % 7 == 0 else (),
            **(failed if number % 10 == 0 else {}),
        )
        for number in range(count)
    ]


def start_browser(width: int = 1200, height: int = 800, flags: Sequence[str] = ()) -> Any:
    """Start Chromium; skip where it is not there, unless ASSETFORGE_BROWSER says that it must be."""
    import os
    import shutil

    try:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service
    except ImportError:
        missing = "selenium"
    else:
        missing = next((name for name in ("chromium", "chromedriver") if shutil.which(name) is None), "")
    if missing:
        if os.environ.get("ASSETFORGE_BROWSER"):
            pytest.fail(f"{missing} is not there, and ASSETFORGE_BROWSER wants it")
        pytest.skip(f"{missing} is not there")
    options = webdriver.ChromeOptions()
    for flag in (*FLAGS, *flags, f"--window-size={width},{height}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    browser.set_script_timeout(SECONDS)
    browser.set_page_load_timeout(SECONDS)
    return browser


@contextmanager
def looking(browser: Any, width: int, scheme: str, height: int = 800) -> Iterator[None]:
    """Let a page be as wide as a phone, or wider, and `light` or `dark`."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
