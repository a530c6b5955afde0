"""The page of `bertfamily demo` in a real browser, and in Streamlit's own test runner."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from ..util.extras import require
from ..util.files import ROOT

require("streamlit")
PAGE = ROOT / "spacy_bertfamily" / "demo" / "page.py"


@pytest.fixture
def run(monkeypatch):
    """Run the page without a browser."""
    from streamlit.testing.v1 import AppTest

    def start(name):
        monkeypatch.setattr(sys, "argv", [str(PAGE), name])
        app = AppTest.from_file(str(PAGE), default_timeout=120)
        return app.run()

    return start


@pytest.mark.slow
def test_each_part_of_the_page_runs_and_survives_empty_input(run):
    app = run("en_minilm_all")
    (choice,) = app.sidebar.radio
    assert choice.options == ["Ask", "Two texts", "Words", "Layers"]
    for title in choice.options:
        app.sidebar.radio[0].set_value(title)
        app.run()
        assert not app.exception, title
        for field in [*app.text_area, *app.text_input]:
            field.set_value(" ")
        app.run()
        assert not app.exception, title
        assert app.info, title


@pytest.mark.slow
def test_a_huge_text_is_cut_and_said(run):
    app = run("en_minilm_qa")
    app.text_area[0].set_value("The tower is old. " * 600_000)
    app.text_input[0].set_value(" ")
    app.run()
    assert not app.exception
    assert "of 10,800,000 characters" in app.warning[0].value


# In a browser


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def address():
    """Serve the page with the command."""
    port = free_port()
    command = [sys.executable, "-m", "spacy", "bertfamily", "demo", "en_minilm_qa"]
    server = subprocess.Popen([*command, "--port", str(port)], start_new_session=True)
    address = f"http://127.0.0.1:{port}"
    for _ in range(180):
        try:
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=5)
            break
        except OSError:
            assert server.poll() is None
            time.sleep(1)
    yield address
    os.killpg(server.pid, signal.SIGINT)
    server.wait(60)


@pytest.fixture
def browser():
    require("selenium")
    from selenium import webdriver

    if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
        assert not os.environ.get("BERTFAMILY_EXTRAS"), "apt-get install chromium chromium-driver"
        pytest.skip("chromium and chromium-driver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.add_argument("--window-size=1200,900")
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


def find_answer(browser, expected, seconds=180):
    """RETURNS (str): The text that is marked once it is as expected."""
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.common.by import By

    text = None
    for _ in range(seconds):
        try:
            text = [mark.text for mark in browser.find_elements(By.CSS_SELECTOR, "mark")]
        except StaleElementReferenceException:
            continue
        if any(expected in part for part in text):
            break
        time.sleep(1)
    return text


@pytest.mark.slow
def test_the_page_marks_the_answer_in_a_browser(address, browser):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    browser.get(address)
    (shown,) = find_answer(browser, "Elspeth Muir")
    assert "Elspeth Muir" in shown
    if os.environ.get("BERTFAMILY_SCREENSHOT"):
        browser.save_screenshot(os.environ["BERTFAMILY_SCREENSHOT"])
    question = browser.find_element(By.CSS_SELECTOR, "input[aria-label='Question']")
    question.send_keys(Keys.CONTROL, "a")
    question.send_keys("When was it finished?", Keys.ENTER)
    (shown,) = find_answer(browser, "1874")
    assert "1874" in shown


@pytest.mark.slow
def test_a_browser_that_closes_in_the_middle_leaves_the_page_working(address, browser):
    browser.get(address)
    browser.get("about:blank")
    browser.get(address)
    assert find_answer(browser, "Elspeth Muir")
