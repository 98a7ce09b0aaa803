"""Chromium with the verbs of tiny_browser, looking closely at every page on which it lands: what the console says, what failed to load,
what the content security policy refused, and whether the page can be used by eye, by ear and by keyboard, by day, by night and on a phone."""

import os
import sys
from dataclasses import dataclass

import axe_playwright_python
from playwright.sync_api import sync_playwright

from tiny_browser import Lost

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
AXE = os.path.join(os.path.dirname(axe_playwright_python.__file__), "axe.min.js")
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 320, "height": 640}
# A phone of many people and a tablet, where tables change their form.
BETWEEN = {"phone-360": {"width": 360, "height": 740}, "tablet-768": {"width": 768, "height": 1024}}

# What a page must have whether or not a script may run; answers the faults found.
STRUCTURE = """() => {
  const faults = [], all = (what) => [...document.querySelectorAll(what)];
  const shown = (e) => e.getClientRects().length > 0;
  if (!document.documentElement.lang) faults.push("no lang");
  if (!document.title.trim()) faults.push("no title");
  if (all("main").length !== 1) faults.push(`${all("main").length} main landmarks`);
  if (all("h1").length !== 1) faults.push(`${all("h1").length} h1`);
  let level = 0;
  for (const heading of all("h1,h2,h3,h4,h5,h6").filter(shown)) {
    const next = Number(heading.tagName[1]);
    // A problem's heading may stand above the h1: it is read first.
    if (next > level + 1 && !heading.closest("[role=alert]")) faults.push(`${heading.tagName} "${heading.textContent.trim()}" after h${level}`);
    if (!heading.closest("[role=alert]")) level = next;
  }
  for (const field of all("input:not([type=hidden]),select,textarea")) {
    const words = [...(field.labels || [])].map((label) => label.textContent.trim()).join(" ");
    if (!words) faults.push(`no label: ${field.outerHTML}`);
  }
  for (const control of all("button,a[href]")) {
    if (!(control.textContent.trim() || control.getAttribute("aria-label"))) faults.push(`no name: ${control.outerHTML}`);
  }
  const ids = all("[id]").map((e) => e.id);
  for (const id of ids.filter((id, i) => ids.indexOf(id) !== i)) faults.push(`id twice: ${id}`);
  return faults;
}"""
# A page of our own, beyond that.
FURNITURE = """() => ["header", "nav[aria-label]", "footer", "a.skip[href='#content']"].filter((what) => !document.querySelector(what))
  .map((what) => "no " + what)"""
# WCAG 2.2, 1.4.10: no scrolling in two directions at 320 CSS pixels. What scrolls by itself, as code and wide tables, may.
REFLOW = """() => document.documentElement.scrollWidth <= window.innerWidth ? [] : [...document.querySelectorAll("body *")].filter((e) =>
  e.getBoundingClientRect().right > window.innerWidth + 1).slice(0, 3).map((e) => "too wide for a phone: " + e.outerHTML.slice(0, 160))"""
# No word of a table is torn apart, on a phone as on a desk: keys, addresses and ids may be.
TORN = """() => [...document.querySelectorAll("th, td")].flatMap((cell) => {
  const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT), faults = [];
  for (let text = texts.nextNode(); text; text = texts.nextNode()) {
    for (const word of text.data.matchAll(/(?<![^\\s(])\\p{L}{2,16}(?![^\\s.,:)])/gu)) {
      const range = document.createRange();
      range.setStart(text, word.index);
      range.setEnd(text, word.index + word[0].length);
      const lines = new Set([...range.getClientRects()].filter((box) => box.width > 1).map((box) => Math.round(box.top)));
      if (lines.size > 1) faults.push(`torn at ${window.innerWidth}: ${word[0]}`);
    }
  }
  return faults;
}).slice(0, 3)"""


@dataclass
class Seen:
    url: str
    status: int
    text: str


class Chromium:
    def __init__(self, playwright, scripts, shots=None):
        self.browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        self.context = self.browser.new_context(java_script_enabled=scripts, viewport=WIDE, reduced_motion="reduce", color_scheme="light")
        self.scripts, self.shots = scripts, shots
        self.tab = self.context.new_page()
        self.tab.set_default_timeout(20_000)
        self.faults, self.looked, self.status, self.expected, self.downloads = [], {}, 0, 200, False
        self.tab.on("console", self._console)
        self.tab.on("pageerror", lambda error: self._fault(f"script error: {error}"))
        self.tab.on("requestfailed", self._failed)
        self.tab.on("response", self._response)

    def leave(self):
        """Leaves the page, so that none goes on asking a server that ends."""
        self.tab.goto("about:blank")

    def close(self):
        self.browser.close()

    @property
    def page(self):
        return Seen(self.tab.url, self.status, " ".join(self.tab.inner_text("body").split()))

    # What went wrong on the wire or in the console.

    def _fault(self, words):
        self.faults.append(f"{self.tab.url}: {words}")

    def _console(self, message):
        # Chromium says of every answer from 400 on what _response judges.
        if message.type in ("error", "warning") and "the server responded with a status of" not in message.text:
            self._fault(f"console: {message.text}")

    def _failed(self, request):
        # A navigation that became a download is given up as one.
        if not (self.downloads and request.is_navigation_request() and request.failure == "net::ERR_ABORTED"):
            self._fault(f"failed: {request.method} {request.url}: {request.failure}")

    def _response(self, response):
        if response.request.is_navigation_request():
            self.status = response.status
            if response.status >= 400 and response.status != self.expected:
                self._fault(f"{response.status} for {response.request.method} {response.url}")
        elif response.status >= 400:
            self._fault(f"{response.status} for {response.url}")

    # The verbs.

    def open(self, url, expecting=200):
        self.expected = expecting
        self.tab.goto(url if "://" in url else self.tab.evaluate("u => new URL(u, location.href).href", url))
        self._look()

    def reload(self):
        """A page that looks again by itself is left to do so."""
        if self.tab.locator("meta[http-equiv=refresh]").count():
            self.tab.wait_for_timeout(200)
        else:
            self.tab.reload()
        self._look()

    def follow(self, words):
        self._click(self.tab.get_by_role("link", name=words).first, f"link '{words}'")

    def press(self, words, expecting=200):
        self.expected = expecting
        self._click(self.tab.get_by_role("button", name=words).first, f"button '{words}'")

    def _click(self, target, what):
        if not target.count():
            raise Lost(f"no {what} on {self.tab.url}: {self.page.text[:400]}")
        with self.tab.expect_navigation(wait_until="load"):
            target.click()
        self._look()

    def _field(self, label):
        field = self.tab.get_by_label(label).and_(self.tab.locator("input, select, textarea")).first
        if not field.count():
            raise Lost(f"no field '{label}' on {self.tab.url}: {self.page.text[:400]}")
        return field

    def fill(self, label, value):
        self._field(label).fill(value)

    def choose(self, label):
        self._field(label).check()

    def download(self, words):
        self.downloads = True
        with self.tab.expect_download() as download:
            self.tab.get_by_role("button", name=words).click()
        self.downloads = False
        with open(download.value.path(), "rb") as file:
            return file.read()

    # The close look.

    def _look(self):
        heading = self.tab.locator("h1").first
        name = heading.inner_text() if heading.count() else self.tab.url
        key = (name, self.status)
        if key in self.looked or self.tab.locator("meta[http-equiv=refresh]").count():
            return
        self.looked[key] = self.tab.url
        for fault in self.tab.evaluate(STRUCTURE):
            self._fault(fault)
        if self.tab.locator("a.brand").count():
            for fault in self.tab.evaluate(FURNITURE):
                self._fault(fault)
        self._shoot(name, "day")
        if self.scripts:
            self._axe("by day")
        self.tab.emulate_media(color_scheme="dark")
        self._shoot(name, "night")
        if self.scripts:
            self._axe("by night", {"runOnly": ["color-contrast"]})
        self.tab.emulate_media(color_scheme="light")
        for fault in self.tab.evaluate(TORN):
            self._fault(fault)
        for when, size in {**BETWEEN, "phone": PHONE}.items():
            self.tab.set_viewport_size(size)
            for fault in self.tab.evaluate(REFLOW) + self.tab.evaluate(TORN):
                self._fault(fault)
            self._shoot(name, when)
        if self.scripts:
            self._axe("on a phone")
        self.tab.set_viewport_size(WIDE)

    def _axe(self, when, options=None):
        if not self.tab.evaluate("() => 'axe' in window"):
            with open(AXE, encoding="utf-8") as file:
                self.tab.evaluate(file.read())
        found = self.tab.evaluate("options => axe.run(document, options)", options or {})
        for rule in found["violations"]:
            for node in rule["nodes"]:
                self._fault(f"axe {when}: {rule['id']} ({rule['impact']}): {rule['help']}: {node['html'][:200]}")
        if not found["passes"]:
            self._fault(f"axe {when} looked at nothing")

    def _shoot(self, name, when):
        if self.shots:
            file = "".join(c if c.isalnum() else "-" for c in f"{len(self.looked):02}-{name}-{self.status}-{when}")
            # The whole of a page that goes on and on would take a minute.
            is_short = self.tab.evaluate("() => document.documentElement.scrollHeight < 12000")
            self.tab.screenshot(path=os.path.join(self.shots, file + ".png"), full_page=is_short)

    def first_stop(self):
        """What the first press of Tab comes to, and whether it can be seen there."""
        self.tab.evaluate("() => { document.activeElement.blur(); window.scrollTo(0, 0); }")
        self.tab.keyboard.press("Tab")
        return self.tab.evaluate(
            """() => { const e = document.activeElement, box = e.getBoundingClientRect();
            return [e.textContent.trim(), box.left >= 0 && box.top >= 0 && box.width > 0, getComputedStyle(e).outlineStyle !== "none"]; }"""
        )


def with_chromium(scripts, shots, act):
    """Runs the act in a browser of its own; answers the faults that it met."""
    if not os.path.exists(CHROMIUM):
        sys.exit(f"no browser at {CHROMIUM}")
    with sync_playwright() as playwright:
        browser = Chromium(playwright, scripts, shots)
        try:
            act(browser)
            return browser
        finally:
            browser.close()
