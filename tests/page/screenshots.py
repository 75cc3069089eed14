"""Take the pictures of the live page that the docs show: run the demo, look, keep small PNGs.

``scripts/screenshots [--folder FOLDER] [--demo FOLDER]``; with the folder of a demo whose servers
and page run, that one is looked at.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import httpx
from playwright.sync_api import sync_playwright

from streams.local import LocalServers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from playwright.sync_api import Page

ROOT: Final = Path(__file__).parents[2]
REWAKE: Final = Path(sys.executable).with_name("rewake")
MOST_BYTES: Final = 150_000
CUSTOMER: Final = "14410"


class Picture(NamedTuple):
    """One picture: its file, the window, and what is looked at."""

    name: str
    width: int
    height: int
    context: Mapping[str, Any]
    system: str = "lifecycle"
    customer: str = ""


PICTURES: Final = (
    Picture("live-page", 1280, 960, {"color_scheme": "light", "locale": "en-GB"}),
    Picture("live-page-dark-zh", 1280, 960, {"color_scheme": "dark", "locale": "zh-CN"}, "rfm"),
    Picture("live-page-narrow", 360, 780, {"color_scheme": "light", "locale": "en-GB"}),
    Picture(
        "live-page-customer", 1280, 720, {"color_scheme": "light", "locale": "en-GB"},
        customer=CUSTOMER,
    ),
)  # fmt: skip


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("--demo", type=Path, help="of a demo that runs")
    told = parser.parse_args()
    told.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as spare:
        demo = told.demo or _played(Path(spare) / "demo")
        try:
            with _serving(demo) as address:
                take(address, told.folder)
        finally:
            if told.demo is None:
                LocalServers(demo / "servers").down()


def take(address: str, folder: Path) -> None:
    """Look at a page that answers."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium")
        for picture in PICTURES:
            context = browser.new_context(
                viewport={"width": picture.width, "height": picture.height},
                reduced_motion="reduce",
                **picture.context,
            )
            page = context.new_page()
            page.set_default_timeout(120_000)
            page.goto(address)
            _arrange(page, picture)
            path = folder / f"{picture.name}.png"
            page.screenshot(path=path)
            # 256 colours are enough for a page, and make a third of the file.
            subprocess.run(
                ["pngquant", "--force", "--speed", "1", "--strip", "--output", path, "256", path],
                check=True,
            )
            size = path.stat().st_size
            print(f"{path}: {size / 1000:.0f} kB")  # noqa: T201 - a script
            if size > MOST_BYTES:
                sys.exit(f"expected at most {MOST_BYTES:,} bytes; make the window smaller")
            context.close()
        browser.close()


def _arrange(page: Page, picture: Picture) -> None:
    page.locator(f"#systems label:has(input[value={picture.system}])").click()
    page.wait_for_selector("#sankey .sankey-link")
    page.wait_for_selector("#treemap .slice path")
    page.wait_for_selector("#feed li")
    page.wait_for_selector("#lag tbody tr")
    if picture.customer:
        page.locator("#lookup-id").fill(picture.customer)
        page.keyboard.press("Enter")
        page.wait_for_selector("#card details")
        page.locator("#card details[data-system=lifecycle] summary").click()
        page.locator("#card details[data-system=rfm] summary").click()
        page.locator("#customer").evaluate("section => section.scrollIntoView()")
    else:
        page.evaluate("scrollTo(0, 0)")
    page.evaluate("document.activeElement.blur()")
    page.mouse.move(0, 0)
    page.wait_for_timeout(1_500)  # charts draw themselves anew after a change of system


def _played(folder: Path) -> Path:
    subprocess.run([REWAKE, "demo", "--once", "--keep", "--dir", folder], check=True, cwd=ROOT)
    return folder


@contextmanager
def _serving(demo: Path) -> Iterator[str]:
    """Run worker and service on the servers of a demo, or look at those that run."""
    lines = (demo / "env").read_text(encoding="utf-8").replace("export ", "").splitlines()
    environ = dict(line.split("=", 1) for line in lines)
    address = f"http://{environ['REWAKE_WEB']}/"
    if _answers(f"{address}readyz"):
        yield address
        return
    own = {**os.environ, **{name: value.strip("'") for name, value in environ.items()}}
    running = [
        subprocess.Popen([REWAKE, what], env=own, cwd=demo, stdout=subprocess.DEVNULL)
        for what in ("worker", "serve")
    ]
    try:
        while not _answers(f"{address}v1/customers/{CUSTOMER}/explanation"):
            time.sleep(0.5)
        yield address
    finally:
        for process in running:
            process.send_signal(signal.SIGTERM)
        for process in running:
            process.wait(60)


def _answers(address: str) -> bool:
    try:
        return httpx.get(address, trust_env=False, timeout=10).is_success
    except httpx.HTTPError:
        return False


if __name__ == "__main__":
    main()
