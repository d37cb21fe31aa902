"""What the tests of the page in Debian's chromium share; where there is none, whoever imports this is skipped."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
if not CHROMIUM.is_file() and os.environ.get("TEXTIBA_BROWSER") != "required":
    reason = f"the page is not tested in a browser: there is no {CHROMIUM} (apt-get install chromium)"
    warnings.warn(reason, stacklevel=1)  # a line in every summary; skips are only counted there
    pytest.skip(reason, allow_module_level=True)

expect.set_options(timeout=30_000)  # a busy machine is slow, and that is no failure
TEXT = '[data-panel="0"] .text'


def launch() -> Iterator[Browser]:
    """A chromium, closed at the end."""
    assert CHROMIUM.is_file(), f"TEXTIBA_BROWSER=required, and there is no {CHROMIUM}: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def open_page(browser: Browser, file: Path, **context) -> Iterator[Page]:
    """The page, opened and drawn; at the end it must have asked for nothing and complained of nothing."""
    opened = browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **context})
    page = opened.new_page()
    troubles: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("request", lambda request: asked.append(request.url.partition("#")[0]))
    page.on("dialog", lambda dialog: troubles.append(dialog.message))
    page.goto(file.as_uri())
    page.wait_for_selector("body[data-drawn]")
    yield page
    opened.close()
    assert troubles == []
    assert set(asked) == {file.as_uri()}


def colours(page: Page, panel: str = TEXT) -> list[str]:
    """The grounds of the words of a text."""
    return page.locator(f"{panel} .word").evaluate_all("nodes => nodes.map(n => n.style.backgroundColor)")


def move(slider: Locator, place: int) -> None:
    """As a hand would: the value changes, and the page is told."""
    slider.evaluate("(node, value) => { node.value = value; node.dispatchEvent(new Event('input')); }", place)


def listed(page: Page) -> list[str]:
    """The openings of the texts that the list has."""
    return page.locator("#texts .opening").all_text_contents()  # also of rows that are out of sight, and so not drawn
