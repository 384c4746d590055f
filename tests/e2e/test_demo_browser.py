"""The demo as a person uses it, in headless Chromium: ``pip install selenium`` and Debian's chromium and chromium-driver."""

from __future__ import annotations

import io
import shutil
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sprite_diffusers import hub
from sprite_diffusers.demo.files import Workspace
from sprite_diffusers.demo.models import Shelf
from sprite_diffusers.pixels import load_palette

gradio = pytest.importorskip("gradio")
webdriver = pytest.importorskip("selenium.webdriver", reason="the browser test needs selenium")
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (BROWSER and DRIVER), reason="the browser test needs chromium and chromedriver")

PATIENCE = 120
SCALE = 8  # of downloads, as the page sets it


class Page:
    """The demo in a browser.

    Args:
        driver: of the browser.
        downloads: where it saves files.
    """

    def __init__(self, driver: Any, downloads: Path):
        self.driver = driver
        self.downloads = downloads

    def wait(self, found: Callable[[], Any], what: str) -> Any:
        """What `found` gives, once it is not empty."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if value := found():
                return value
            time.sleep(0.2)
        raise AssertionError(f"no {what} on the page")

    def all(self, selector: str) -> list[Any]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> Any:
        return self.wait(lambda: [found for found in self.all(selector) if found.is_displayed()], selector)[0]

    def click(self, selector: str) -> None:
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", self.one(selector))
        self.one(selector).click()

    def tab(self, name: str) -> None:
        self.wait(lambda: [tab for tab in self.all("button[role=tab]") if tab.text == name], f"tab {name}")[0].click()

    def fill(self, selector: str, text: str) -> None:
        """Types over what a field holds, and waits for what that changes."""
        field = self.one(selector)
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", field)
        field.click()
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(text, Keys.ENTER)
        field.send_keys(Keys.TAB)
        time.sleep(1)

    def choose(self, selector: str, option: str) -> None:
        """Chooses of a drop-down list."""
        self.click(f"{selector} input")
        self.wait(lambda: [found for found in self.all("[role=option]") if found.text.endswith(option)], option)[
            0
        ].click()
        time.sleep(1)

    def draw(self, button: str = "#draw", gallery: str = "#grid") -> np.ndarray:
        """Presses a button that draws, and returns the new sprites of a gallery, uint8 (N, H, W, 4)."""
        before = self.addresses(gallery)
        self.click(button)
        return self.sprites(gallery, before)

    def sprites(self, gallery: str, before: list[str]) -> np.ndarray:
        def changed() -> list[str]:
            found = self.addresses(gallery)
            time.sleep(0.5)  # while they are exchanged, old ones stand beside new ones
            return found if found != before and found == self.addresses(gallery) else []

        return np.stack([read(address) for address in self.wait(changed, f"new sprites in {gallery}")])

    def addresses(self, gallery: str) -> list[str]:
        """Of the pictures of a gallery, all at one moment."""
        script = "return Array.from(document.querySelectorAll(arguments[0]), image => image.src)"
        return self.driver.execute_script(script, f"{gallery} .thumbnail-lg img")

    def message(self) -> str:
        """The text of a warning, which is then closed."""
        text = self.one(".toast-body.warning").text
        self.click(".toast-close")
        self.wait(lambda: not self.all(".toast-body.warning"), "end of the message")
        return text

    def paint(self, selector: str, start: tuple[float, float], stop: tuple[float, float]) -> None:
        """A stroke over a canvas, from and to shares of its width and height."""
        canvas = self.one(f"{selector} canvas")
        width, height = canvas.size["width"], canvas.size["height"]
        points = [(round((x - 0.5) * width), round((y - 0.5) * height)) for x, y in (start, stop)]
        actions = ActionChains(self.driver).move_to_element_with_offset(canvas, *points[0]).click_and_hold()
        for share in (0.25, 0.5, 0.75, 1.0):
            x, y = (round(a + (b - a) * share) for a, b in zip(*points, strict=True))
            actions = actions.move_to_element_with_offset(canvas, x, y).pause(0.1)
        actions.release().perform()
        time.sleep(1)


def read(address: str) -> np.ndarray:
    """A sprite that the page shows, at its own size."""
    with urllib.request.urlopen(address) as answer:
        pixels = np.asarray(Image.open(io.BytesIO(answer.read())).convert("RGBA"))
    return pixels[::SCALE, ::SCALE]


@pytest.fixture
def page(class_cond, tmp_path) -> Iterator[Page]:
    from sprite_diffusers.demo.page.app import serve
    from sprite_diffusers.demo.page.events import Demo

    hub.export(class_cond, tmp_path / "model")
    workspace = Workspace()
    served = serve(Demo(Shelf([tmp_path / "model"], "cpu"), workspace), "127.0.0.1", None, wait=False)
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--window-size=1500,1100",
        "--no-proxy-server",
    ):
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"download.default_directory": str(tmp_path / "downloads")})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        driver.get(served.local_url)
        yield Page(driver, tmp_path / "downloads")
    finally:
        driver.quit()
        served.close()
        workspace.close()


def test_a_visit(page):
    page.one("#draw")
    page.choose("#kind", "food")
    page.fill("#count input[type=number]", "4")

    # draw, and draw again: the same seed gives the same sprite, beside more of them as well
    first = page.draw()
    assert first.shape == (4, 8, 8, 4)
    page.fill("#count input[type=number]", "6")
    more = page.draw()
    np.testing.assert_array_equal(more[:4], first)
    page.fill("#seed input", "2")
    np.testing.assert_array_equal(page.draw()[:4], more[2:])

    # other colours
    page.choose("#palette", "gameboy")
    colored = page.draw()
    colors = set(map(tuple, colored[colored[..., 3] > 0][:, :3].tolist()))
    assert colors <= set(load_palette("gameboy").colors)

    # what cannot be done is said in one line
    page.choose("#palette", "colours typed below")
    page.fill("#own-colours textarea, #own-colours input", "#12345")
    page.click("#draw")
    assert "#12345" in page.message()
    page.choose("#palette", "any colours")

    # a part drawn anew
    page.draw()
    page.click("#edit")
    page.one("#editor canvas")
    time.sleep(3)  # the canvas fades in
    page.click("#repaint")
    assert "nothing is painted" in page.message()
    page.paint("#editor", (0.5, 0.25), (0.7, 0.25))
    page.fill("#seed input", "50")
    changed = page.draw("#repaint", "#results")
    assert changed.shape == (6, 8, 8, 4)
    different = (changed != more[2]).any(axis=-1)
    assert different.any(axis=(1, 2)).all()
    anew = different.any(axis=0)
    assert anew.sum() <= 20
    assert not anew[5:].any()

    # a sheet, downloaded
    page.tab("Sheet")
    page.click("#make-sheet")
    page.click("#sheet-file a")
    archive = page.wait(lambda: list(page.downloads.glob("*.zip")), "sheet.zip")[0]
    assert sorted(zipfile.ZipFile(archive).namelist()) == ["sheet.json", "sheet.png"]
