"""The page in Debian's chromium: what moves when something is moved, chosen or typed, by mouse and by keys."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from browsers import TEXT, colours, launch, listed, move, open_page
from pages import STEPS, browsed, removed
from playwright.sync_api import Browser, Page, expect

from textiba.report import write_page


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


def test_the_layer_slider_changes_the_colours_and_the_address(page: Page):
    before = colours(page)
    move(page.locator("#layer"), 2)
    expect(page.locator("#layer-value")).to_contain_text("2 of 0 to 2")
    assert colours(page) != before
    assert "layer=2" in page.url
    page.reload()
    page.wait_for_selector("body[data-drawn]")
    expect(page.locator("#layer-value")).to_contain_text("2 of 0 to 2")


def test_the_beta_slider_changes_the_colours_and_goes_by_keys(page: Page):
    page.get_by_label("Bits", exact=True).check()
    slider = page.locator("#beta")
    move(slider, 0)
    before = colours(page)
    slider.focus()
    slider.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "β 1e-4"
    assert colours(page) != before
    expect(page.locator("#beta-maps .column").first).to_be_visible()
    expect(page.locator("#trace-charts svg")).to_have_count(2 + 4)  # each with the samples of its key


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
    move(page.locator("#layer"), 0)
    expect(page.locator("#removal-panels article")).to_have_count(0)
    page.locator("#removal-advice button").click()
    expect(page.locator("#removal-panels article")).to_have_count(2)


def test_a_run_without_degradation_says_which_command_makes_it(browser: Browser, tmp_path: Path):
    advice = "No words were removed in this run yet; do it with: textiba degrade run"
    file = write_page(browsed(removed=(), curves=(), advice=[advice]), tmp_path / "page.html")
    for page in open_page(browser, file):
        expect(page.locator("#removal-advice")).to_contain_text("textiba degrade run")
        expect(page.locator("#removal-controls")).to_be_hidden()


def test_ways_and_steps_of_removal_may_differ_from_run_to_run(browser: Browser, tmp_path: Path):
    made = browsed()
    general = [a for a in made.attributions if a.checkpoint == "general" and a.method == "evidence"]
    one, two = (a for a in general if a.text.source.id == "r1" and a.layer in (1, 2))
    short = removed(two, STEPS[:3] * 2)
    masked = replace(removed(one), removal="mask")
    file = write_page(browsed(removed=[removed(one), short, masked]), tmp_path / "page.html")
    for page in open_page(browser, file):
        step = page.locator("#removal-step")
        step.press("End")
        expect(step).to_have_attribute("max", "4")
        page.get_by_label("masked", exact=True).check()
        expect(page.locator('[data-removal="1"]')).to_contain_text("7 of 7 tokens masked")
        page.get_by_label("deleted", exact=True).check()
        move(page.locator("#layer"), 2)
        expect(step).to_have_attribute("max", "2")
        expect(page.locator("#removal-value")).to_have_text("100 % of the tokens")


def test_search_filter_and_sort(page: Page):
    assert len(listed(page)) == 4
    page.locator("#search").fill("SUPERB")
    assert listed(page) == ["A superb waste of a fine cast."]
    expect(page.locator("#found")).to_have_text("1 of 4 texts")
    assert "superb" in page.locator(TEXT).inner_text()  # the text that was left out gave way
    page.locator("#search").fill("")
    page.locator("#sort").select_option("error")
    assert listed(page)[0].startswith("A superb")
    page.locator("#sort").select_option("sure")
    assert listed(page)[0].startswith("Dreadful")
    page.locator("#sort").select_option("unsure")
    assert listed(page)[0].startswith("Good")
    page.locator("#sort").select_option("label")
    assert [text.split()[0] for text in listed(page)] == ["Dreadful", "A", "Never", "Good"]


def test_what_is_wrong_shows_the_words_that_misled_it(page: Page):
    expect(page.locator("#misled-section")).to_be_hidden()
    page.locator("#show").select_option("wrong")
    assert listed(page) == ["A superb waste of a fine cast."]
    expect(page.locator('[data-panel="0"] .misled')).to_contain_text("Misled to positive by A +")
    expect(page.locator("#texts .misled")).to_contain_text("misled by A")
    expect(page.locator("#misled-tables")).to_contain_text("wrong on 1 of 4 texts")
    page.locator("#judge").select_option("1")  # which calls everything positive
    assert len(listed(page)) == 2
    page.locator("#misled-tables button").first.click()
    expect(page.locator("#search")).not_to_have_value("")
    page.locator("#search").fill("")
    page.locator("#show").select_option("differ")
    assert listed(page) == ["Dreadful in every way, and far too long."]


def test_words_and_texts_go_by_keys(page: Page):
    text = page.locator(TEXT)
    text.focus()
    text.press("ArrowRight")
    expect(page.locator("#inspector .chosen-word")).to_have_text("dull")
    expect(page.locator(f'{TEXT} [aria-selected="true"]')).to_have_text("dull")
    page.locator(TEXT).press("ArrowUp")  # from the middle layer, where the page starts
    expect(page.locator("#layer-value")).to_contain_text("2 of 0 to 2")
    expect(page.locator(TEXT)).to_be_focused()
    page.locator("#texts button").first.focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#texts button").nth(1)).to_be_focused()
    expect(page.locator('#texts [aria-current="true"] .opening')).to_have_text(re.compile("^Dreadful"))


def test_a_cell_of_the_map_leads_to_its_layer_and_word(page: Page):
    column = page.locator('#maps .column[data-word="4"]').first
    column.locator(".cell").first.click()  # the highest layer is on top
    expect(page.locator("#layer-value")).to_contain_text("2 of 0 to 2")
    expect(page.locator("#inspector .chosen-word")).to_have_text("wonderful")
