"""The page in a real browser: it works, makes no network requests, and is accessible.

Runs if a Chromium is found (Debian: apt install chromium; or CHROMIUM=/path/to/it).
"""

import os
import shutil

import pytest

from tests.reporting.page import site

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    site.make(folder / "runs")
    with pytest.MonkeyPatch.context() as patch:
        site.build(patch, folder / "runs", folder / "page")
    return (folder / "page" / "index.html").as_uri()


@pytest.fixture(scope="module")
def browser():
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not path:
        pytest.skip("no Chromium here: apt install chromium, or CHROMIUM=/path/to/it")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def visit(browser, address):
    """Return a function that opens the page; at the end nothing may have gone wrong on it."""
    contexts, wrong = [], []

    def visit(size="desktop", **options):
        width, height = SIZES[size]
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        opened = context.new_page()
        opened.on("console", lambda m: wrong.append(m.text))
        opened.on("pageerror", lambda e: wrong.append(str(e)))
        opened.on("dialog", lambda d: wrong.append(f"a dialog: {d.message}"))
        opened.on("request", lambda r: r.url.startswith("file:") or wrong.append(r.url))
        opened.goto(address)
        if options.get("java_script_enabled", True):
            opened.wait_for_function("document.documentElement.dataset.ready")
        return opened

    yield visit
    for context in contexts:
        context.close()
    assert not wrong


def test_navigation_and_folds(visit):
    page = visit()
    page.click("nav >> text=Claims")
    page.wait_for_function("document.getElementById('claims').getBoundingClientRect().top < 200")
    assert page.is_hidden("#resnet152 svg.architecture")
    page.click("#networks table >> text=resnet152")
    page.wait_for_selector("#resnet152 svg.architecture")
    page.keyboard.press("Home")
    page.goto(page.url.split("#")[0])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"


def test_claims_are_filtered(visit):
    page = visit()
    rows = page.locator("#claim-table tbody tr:visible")
    assert rows.count() == 4
    page.select_option("#claim-slide", "AlexNet")
    assert rows.count() == 2
    page.select_option("#claim-verdict", "errs")
    assert rows.count() == 1
    assert site.HOSTILE in rows.inner_text()
    assert page.inner_text("#claim-count") == "1 of 4 claims"
    page.select_option("#claim-verdict", "")
    page.fill("#claim-words", "55X55")
    assert rows.count() == 1


def test_charts_answer_their_controls(visit):
    page = visit()
    painted = "document.getElementById('{}').toDataURL()"
    for canvas, control, value in (
        ("plot", "#plot-x", "parameters"), ("plot", "#plot-dataset", "mnist"),
        ("curves", "#curve-what", "1"), ("curves", "#curve-split", "train"),
    ):  # fmt: skip
        before = page.evaluate(painted.format(canvas))
        page.select_option(control, value)
        assert page.evaluate(painted.format(canvas)) != before, control


def test_theme_and_animation(visit):
    page = visit(color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    page.click("#theme")
    page.click("#theme")
    assert page.inner_text("#theme") == "Theme: dark"
    assert page.evaluate(ground) == "rgb(20, 23, 28)"
    page.click("text=Play the animation")
    page.wait_for_selector("img[data-moving][src$='_moving.gif']")  # the click is heard later


@pytest.mark.parametrize(("size", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_accessible_and_no_wider_than_the_screen(visit, size, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = visit(size, color_scheme=scheme)
    # One network stands for all; and what a scan would preload, the page's own policy forbids.
    page.evaluate(
        "for (const d of document.querySelectorAll('details')) "
        "d.open = !d.matches('.network:not(#googlenet)')"
    )
    found = axe.Axe().run(page, options={"preload": False})
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]


def test_without_scripts_everything_can_be_read(visit):
    page = visit(java_script_enabled=False)
    assert page.locator("#claim-table tbody tr:visible").count() == 4
    assert page.locator("#networks table").first.is_visible()
    assert page.is_hidden("#claim-controls")


def test_interactive_within_two_seconds(visit):
    """Processor time, so that a busy machine proves nothing against the page."""
    page = visit()
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.reload()
    page.wait_for_function("document.documentElement.dataset.ready")
    metrics = session.send("Performance.getMetrics")["metrics"]
    (seconds,) = (m["value"] for m in metrics if m["name"] == "TaskDuration")
    assert 0 < seconds < 2
