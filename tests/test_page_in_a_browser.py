"""The page in Debian's chromium: what moves when something is moved, and what a reader without eyes or mouse gets."""

import itertools
import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from pages import NASTY, STEPS, browsed, removed
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from textiba.attribution import amount
from textiba.report import write_page
from textiba.show.scale import Scale

CHROMIUM = Path("/usr/bin/chromium")
if not CHROMIUM.is_file() and os.environ.get("TEXTIBA_BROWSER") != "required":
    reason = f"the page is not tested in a browser: there is no {CHROMIUM} (apt-get install chromium)"
    warnings.warn(reason, stacklevel=1)  # a line in every summary; skips are only counted there
    pytest.skip(reason, allow_module_level=True)

expect.set_options(timeout=30_000)  # a busy machine is slow, and that is no failure
_TEXT = '[data-panel="0"] .text'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One chromium for all tests."""
    assert CHROMIUM.is_file(), f"TEXTIBA_BROWSER=required, and there is no {CHROMIUM}: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the toys."""
    return write_page(browsed(), tmp_path_factory.mktemp("page") / "page.html")


@pytest.fixture
def page(browser: Browser, file: Path) -> Iterator[Page]:
    """The page, opened and drawn; at the end it must have asked for nothing and complained of nothing."""
    yield from _open(browser, file)


def _open(browser: Browser, file: Path, **context) -> Iterator[Page]:
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


def _colours(page: Page, panel: str = _TEXT) -> list[str]:
    return page.locator(f"{panel} .word").evaluate_all("nodes => nodes.map(n => n.style.backgroundColor)")


def _move(slider: Locator, place: int) -> None:
    """As a hand would: the value changes, and the page is told."""
    slider.evaluate("(node, value) => { node.value = value; node.dispatchEvent(new Event('input')); }", place)


def _listed(page: Page) -> list[str]:
    return page.locator("#texts .opening").all_text_contents()  # also of rows that are out of sight, and so not drawn


def test_the_layer_slider_changes_the_colours_and_the_address(page: Page):
    before = _colours(page)
    _move(page.locator("#layer"), 2)
    expect(page.locator("#layer-value")).to_contain_text("2 of 0 to 2")
    assert _colours(page) != before
    assert "layer=2" in page.url
    page.reload()
    page.wait_for_selector("body[data-drawn]")
    expect(page.locator("#layer-value")).to_contain_text("2 of 0 to 2")


def test_the_beta_slider_changes_the_colours_and_goes_by_keys(page: Page):
    page.get_by_label("Bits", exact=True).check()
    slider = page.locator("#beta")
    _move(slider, 0)
    before = _colours(page)
    slider.focus()
    slider.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "β 1e-4"
    assert _colours(page) != before
    expect(page.locator("#beta-maps .column").first).to_be_visible()
    expect(page.locator("#trace-charts svg")).to_have_count(2 + 4)  # each with the samples of its key


def test_the_same_colour_stands_for_the_same_score_on_every_checkpoint(page: Page):
    first, second = (page.locator(f'[data-panel="{i}"] .word').first for i in (0, 1))
    assert first.get_attribute("aria-label") == second.get_attribute("aria-label")
    assert first.evaluate("n => n.style.backgroundColor") == second.evaluate("n => n.style.backgroundColor")


def test_the_scrubber_takes_words_away_and_shows_what_is_left(page: Page):
    panel, slider = page.locator('[data-removal="0"]'), page.locator("#removal-step")
    expect(panel.locator(".gone")).to_have_count(0)
    expect(panel.locator(".probability")).to_have_text("p(positive) 0.90")
    slider.focus()
    slider.press("ArrowRight")
    slider.press("ArrowRight")
    expect(page.locator("#removal-value")).to_have_text("50 % of the tokens")
    expect(panel.locator(".probability")).to_have_text("p(positive) 0.20")
    expect(panel.locator(".gone").first).to_have_text("Never")
    expect(panel).to_contain_text("4 of 7 tokens deleted")  # 3.5, rounded as Python does
    assert "fine-tuned 0.20" in (slider.get_attribute("aria-valuetext") or "")
    page.get_by_label("least relevant first", exact=True).check()
    expect(panel.locator(".probability")).to_have_text("p(positive) 0.70")
    assert "Never" not in panel.locator(".gone").all_inner_texts()
    slider.press("End")
    assert "".join(panel.locator(".gone").all_inner_texts()) == "Neverdull,alwayswonderful."


def test_where_no_words_were_removed_the_page_says_so_and_leads_on(page: Page):
    _move(page.locator("#layer"), 0)
    expect(page.locator("#removal-panels article")).to_have_count(0)
    page.locator("#removal-advice button").click()
    expect(page.locator("#removal-panels article")).to_have_count(2)


def test_a_run_without_degradation_says_which_command_makes_it(browser: Browser, tmp_path: Path):
    advice = "No words were removed in this run yet; do it with: textiba degrade run"
    file = write_page(browsed(removed=(), curves=(), advice=[advice]), tmp_path / "page.html")
    for page in _open(browser, file):
        expect(page.locator("#removal-advice")).to_contain_text("textiba degrade run")
        expect(page.locator("#removal-controls")).to_be_hidden()


def test_ways_and_steps_of_removal_may_differ_from_run_to_run(browser: Browser, tmp_path: Path):
    made = browsed()
    general = [a for a in made.attributions if a.checkpoint == "general" and a.method == "evidence"]
    one, two = (a for a in general if a.text.source.id == "r1" and a.layer in (1, 2))
    short = removed(two, STEPS[:3] * 2)
    masked = replace(removed(one), removal="mask")
    file = write_page(browsed(removed=[removed(one), short, masked]), tmp_path / "page.html")
    for page in _open(browser, file):
        step = page.locator("#removal-step")
        step.press("End")
        expect(step).to_have_attribute("max", "4")
        page.get_by_label("masked", exact=True).check()
        expect(page.locator('[data-removal="1"]')).to_contain_text("7 of 7 tokens masked")
        page.get_by_label("deleted", exact=True).check()
        _move(page.locator("#layer"), 2)
        expect(step).to_have_attribute("max", "2")
        expect(page.locator("#removal-value")).to_have_text("100 % of the tokens")


def test_search_filter_and_sort(page: Page):
    assert len(_listed(page)) == 4
    page.locator("#search").fill("SUPERB")
    assert _listed(page) == ["A superb waste of a fine cast."]
    expect(page.locator("#found")).to_have_text("1 of 4 texts")
    assert "superb" in page.locator(_TEXT).inner_text()  # the text that was left out gave way
    page.locator("#search").fill("")
    page.locator("#sort").select_option("error")
    assert _listed(page)[0].startswith("A superb")
    page.locator("#sort").select_option("sure")
    assert _listed(page)[0].startswith("Dreadful")
    page.locator("#sort").select_option("unsure")
    assert _listed(page)[0].startswith("Good")
    page.locator("#sort").select_option("label")
    assert [text.split()[0] for text in _listed(page)] == ["Dreadful", "A", "Never", "Good"]


def test_what_is_wrong_shows_the_words_that_misled_it(page: Page):
    expect(page.locator("#misled-section")).to_be_hidden()
    page.locator("#show").select_option("wrong")
    assert _listed(page) == ["A superb waste of a fine cast."]
    expect(page.locator('[data-panel="0"] .misled')).to_contain_text("Misled to positive by A +")
    expect(page.locator("#texts .misled")).to_contain_text("misled by A")
    expect(page.locator("#misled-tables")).to_contain_text("wrong on 1 of 4 texts")
    page.locator("#judge").select_option("1")  # which calls everything positive
    assert len(_listed(page)) == 2
    page.locator("#misled-tables button").first.click()
    expect(page.locator("#search")).not_to_have_value("")
    page.locator("#search").fill("")
    page.locator("#show").select_option("differ")
    assert _listed(page) == ["Dreadful in every way, and far too long."]


def test_a_hostile_text_stays_text(page: Page):
    page.locator("#search").fill("<!--")
    assert page.locator(_TEXT).evaluate("node => node.textContent") == NASTY
    assert page.locator("img").count() == 0
    expect(page.locator("#texts")).to_contain_text("</script>")


def test_words_and_texts_go_by_keys(page: Page):
    text = page.locator(_TEXT)
    text.focus()
    text.press("ArrowRight")
    expect(page.locator("#inspector .chosen-word")).to_have_text("dull")
    expect(page.locator(f'{_TEXT} [aria-selected="true"]')).to_have_text("dull")
    page.locator(_TEXT).press("ArrowUp")  # from the middle layer, where the page starts
    expect(page.locator("#layer-value")).to_contain_text("2 of 0 to 2")
    expect(page.locator(_TEXT)).to_be_focused()
    page.locator("#texts button").first.focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#texts button").nth(1)).to_be_focused()
    expect(page.locator('#texts [aria-current="true"] .opening')).to_have_text(re.compile("^Dreadful"))


def test_a_cell_of_the_map_leads_to_its_layer_and_word(page: Page):
    column = page.locator('#maps .column[data-word="4"]').first
    column.locator(".cell").first.click()  # the highest layer is on top
    expect(page.locator("#layer-value")).to_contain_text("2 of 0 to 2")
    expect(page.locator("#inspector .chosen-word")).to_have_text("wonderful")


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
    for page in _open(browser, file, **context):
        for detail in page.locator("details").all():
            detail.evaluate("node => { node.open = true; }")
        page.locator("#show").select_option("wrong")
        _move(page.locator("#layer"), 1)
        _move(page.locator("#removal-step"), 2)
        for measure in ("Evidence (nats)", "Bits"):
            page.get_by_label(measure, exact=True).check()
            found = Axe().run(page).response["violations"]
            serious = [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")]
            assert serious == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_light_and_dark_have_grounds_and_colours_of_their_own(browser: Browser, file: Path):
    seen = {}
    for scheme in ("light", "dark"):
        for page in _open(browser, file, color_scheme=scheme):
            seen[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor"), _colours(page)
    assert seen["light"][0] != seen["dark"][0]
    assert seen["light"][1] != seen["dark"][1]


def test_packed_numbers_are_what_they_were(page: Page):
    made = next(a for a in browsed().attributions if a.layer == 1 and a.checkpoint == "fine-tuned")
    labels = page.locator(f"{_TEXT} .word").evaluate_all("nodes => nodes.map(n => n.ariaLabel)")
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
        for color, word in zip(_colours(page), shown.words(), strict=True):
            found = [int(channel) for channel in re.findall(r"\d+", color)]
            wanted = [int(span.color(word.score)[i : i + 2], 16) for i in (1, 3, 5)]
            assert found == pytest.approx(wanted, abs=2), word  # numbers on the page are rounded
        ticks = page.locator("#scale-ticks span").all_text_contents()
        assert ticks[-1] == ("+" if shown.signed else "") + amount(span.limit)
        expect(page.locator("#scale-outside")).to_contain_text(f"below {amount(span.floor)}, have no colour")


def test_a_marked_reason_is_underlined_from_end_to_end(page: Page):
    """In the scrubber too, whether its words are still there or gone."""
    _move(page.locator("#removal-step"), 2)
    for place in (_TEXT, '[data-removal="0"] .text'):
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
    boxes = page.locator(f"{_TEXT} .word").evaluate_all(
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
    for page in _open(browser, _three_checkpoints(tmp_path / "page.html"), **context):
        hint = page.locator("#inspector").bounding_box()
        page.locator(f"{_TEXT} .word").first.hover()
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
