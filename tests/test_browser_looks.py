"""The page in Debian's chromium: its colours, numbers, marks, boxes, and what a reader without eyes or mouse gets."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from browsers import TEXT, colours, launch, move, open_page
from pages import NASTY, browsed
from playwright.sync_api import Browser, Page, expect

from textiba.attribution import amount
from textiba.report import write_page
from textiba.show.scale import Scale


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One chromium for all tests."""
    yield from launch()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the toys."""
    return write_page(browsed(), tmp_path_factory.mktemp("page") / "page.html")


@pytest.fixture
def page(browser: Browser, file: Path) -> Iterator[Page]:
    """The page, opened and drawn; at the end it must have asked for nothing and complained of nothing."""
    yield from open_page(browser, file)


def test_the_same_colour_stands_for_the_same_score_on_every_checkpoint(page: Page):
    first, second = (page.locator(f'[data-panel="{i}"] .word').first for i in (0, 1))
    assert first.get_attribute("aria-label") == second.get_attribute("aria-label")
    assert first.evaluate("n => n.style.backgroundColor") == second.evaluate("n => n.style.backgroundColor")


def test_a_hostile_text_stays_text(page: Page):
    page.locator("#search").fill("<!--")
    assert page.locator(TEXT).evaluate("node => node.textContent") == NASTY
    assert page.locator("img").count() == 0
    expect(page.locator("#texts")).to_contain_text("</script>")


def test_curves_leaderboard_and_settings_are_there(page: Page):
    expect(page.locator("#curve-charts .chart")).to_have_count(1)
    expect(page.locator("#curve-charts .band")).to_have_count(3)
    expect(page.locator("#leaderboards")).to_contain_text("evidence")
    expect(page.locator("footer")).to_contain_text("How it was made")
    expect(page.locator("#scale-unit")).to_contain_text("nats per word")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_no_serious_violation_of_accessibility(browser: Browser, file: Path, scheme: str, width: int):
    context = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}, "bypass_csp": True}
    for page in open_page(browser, file, **context):
        for detail in page.locator("details").all():
            detail.evaluate("node => { node.open = true; }")
        page.locator("#show").select_option("wrong")
        move(page.locator("#layer"), 1)
        move(page.locator("#removal-step"), 2)
        for measure in ("Evidence (nats)", "Bits"):
            page.get_by_label(measure, exact=True).check()
            found = Axe().run(page).response["violations"]
            serious = [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")]
            assert serious == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_light_and_dark_have_grounds_and_colours_of_their_own(browser: Browser, file: Path):
    seen = {}
    for scheme in ("light", "dark"):
        for page in open_page(browser, file, color_scheme=scheme):
            seen[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor"), colours(page)
    assert seen["light"][0] != seen["dark"][0]
    assert seen["light"][1] != seen["dark"][1]


def test_packed_numbers_are_what_they_were(page: Page):
    made = next(a for a in browsed().attributions if a.layer == 1 and a.checkpoint == "fine-tuned")
    labels = page.locator(f"{TEXT} .word").evaluate_all("nodes => nodes.map(n => n.ariaLabel)")
    for label, word in zip(labels, made.words(), strict=True):
        value = float(label.split(", ")[-1].removesuffix(" nats").replace("−", "-"))
        assert value == pytest.approx(word.score, rel=0.01)


def test_the_page_s_colours_are_those_of_the_shared_scale(page: Page):
    made = browsed().attributions
    scale = Scale.of(made)
    for measure, method in (("Evidence (nats)", "evidence"), ("Bits", "per_sample")):
        page.get_by_label(measure, exact=True).check()
        mine = [a for a in made if a.method == method and a.checkpoint == "fine-tuned"]
        shown = mine[1]  # the middle layer or β, where the page starts
        span = scale.at(shown)
        for color, word in zip(colours(page), shown.words(), strict=True):
            found = [int(channel) for channel in re.findall(r"\d+", color)]
            wanted = [int(span.color(word.score)[i : i + 2], 16) for i in (1, 3, 5)]
            assert found == pytest.approx(wanted, abs=2), word  # numbers on the page are rounded
        ticks = page.locator("#scale-ticks span").all_text_contents()
        assert ticks[-1] == ("+" if shown.signed else "") + amount(span.limit)
        expect(page.locator("#scale-outside")).to_contain_text(f"below {amount(span.floor)}, have no colour")


def test_a_marked_reason_is_underlined_from_end_to_end(page: Page):
    """In the scrubber too, whether its words are still there or gone."""
    move(page.locator("#removal-step"), 2)
    for place in (TEXT, '[data-removal="0"] .text'):
        underlined = page.locator(place).evaluate(
            """node => {
              const walk = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
              let out = "";
              for (let text = walk.nextNode(); text; text = walk.nextNode()) {
                let marked = false;
                for (let up = text.parentElement; up !== node; up = up.parentElement) {
                  marked ||= getComputedStyle(up).textDecorationLine.includes("underline");
                }
                out += marked ? text.data : "|";
              }
              return out;
            }"""
        )
        assert [part for part in underlined.split("|") if part] == ["Never dull", "wonderful"]


def test_a_word_covers_no_letter_of_its_neighbour(page: Page):
    boxes = page.locator(f"{TEXT} .word").evaluate_all(
        "nodes => nodes.map(n => { const b = n.getBoundingClientRect(); return [b.left, b.right, b.top]; })"
    )
    for (_, right, top), (left, _, below) in itertools.pairwise(boxes):
        assert below != top or left >= right - 0.01


def _three_checkpoints(path: Path) -> Path:
    made = browsed().attributions
    third = [replace(a, checkpoint="a-third-checkpoint") for a in made if a.checkpoint == "general"]
    return write_page(browsed(attributions=[*made, *third]), path)


@pytest.mark.parametrize("width", [390, 1200])
def test_three_checkpoints_are_read_side_by_side_in_a_low_bar(browser: Browser, tmp_path: Path, width: int):
    context = {"viewport": {"width": width, "height": 900}}
    for page in open_page(browser, _three_checkpoints(tmp_path / "page.html"), **context):
        hint = page.locator("#inspector").bounding_box()
        page.locator(f"{TEXT} .word").first.hover()
        readings = page.locator("#inspector .reading")
        expect(readings).to_have_count(3)
        boxes = [box for box in (reading.bounding_box() for reading in readings.all()) if box]
        bar = page.locator("#inspector").bounding_box()
        assert hint
        assert bar
        assert bar["height"] <= 112  # an eighth of the window
        values = [value.bounding_box() for value in page.locator("#inspector .value").all()]
        if width == 1200:
            assert len({box["y"] for box in boxes}) == len({value["y"] for value in values if value}) == 1
            assert boxes[1]["x"] - boxes[0]["x"] == pytest.approx(boxes[2]["x"] - boxes[1]["x"], abs=1)
        else:
            assert len({box["x"] for box in boxes}) == 1
            assert hint["y"] > 900  # before a word is chosen the bar takes no room on the screen
