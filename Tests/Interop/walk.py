"""Walks the pages as a table of the README says, with any browser that opens, follows, fills, chooses and presses. Standard library only."""

import re
import time

from tiny_browser import Lost


def steps(text):
    """What the README's tour is made of, in order: its console blocks and its tables."""
    lines = iter(text.split("\n"))
    for line in lines:
        if line.startswith("```console"):
            block = []
            for inner in lines:
                if inner.startswith("```"):
                    break
                block.append(inner)
            yield line[3:], block
        elif line.startswith("|"):
            rows = [line]
            for inner in lines:
                if not inner.startswith("|"):
                    break
                rows.append(inner)
            yield "table", rows[2:]


class Walk:
    def __init__(self, browser):
        self.browser, self.remembered = browser, {}

    def fill_in(self, text):
        """`KEY` and the like stand for what an earlier page showed."""
        for name, value in self.remembered.items():
            text = text.replace(name, value)
        return text

    def table(self, rows):
        """Takes the rows with the columns *do* and *see*; answers how many they were."""
        for row in rows:
            cells = [cell.strip() for cell in row.strip().strip("|").split("|")]
            do, see = cells[-2], cells[-1]
            for act in do.split(";"):
                self.act(re.sub(r"[*`<>]", "", act).strip())
            for text in see.split(";"):
                self.see(re.sub(r"[*`]", "", text).strip())
        return len(rows)

    def act(self, act):
        act = self.fill_in(act)
        print(f"  > {act}", flush=True)
        verb, _, rest = act.partition(" ")
        verb = verb.lower()
        if verb == "open":
            self.browser.open(rest)
        elif verb == "follow":
            self.browser.follow(rest)
        elif verb == "fill":
            label, _, value = rest.partition(" with ")
            self.browser.fill(label, value)
        elif verb == "choose":
            self.browser.choose(rest)
        elif verb == "press":
            self.browser.press(rest)
        elif verb == "wait":
            words = rest.removeprefix("for ").strip()
            deadline = time.monotonic() + 60
            while words.lower() not in self.browser.page.text.lower():
                if time.monotonic() > deadline:
                    raise Lost(f"waited for '{words}' on {self.where()}")
                time.sleep(0.5)
                self.browser.reload()
        else:
            raise SystemExit(f"tour: what is '{act}'?")

    def see(self, text):
        name, equals, expected = text.partition(" = ")
        if equals:
            found = re.search(expected.replace("…", r"[0-9A-Z-]+"), self.browser.page.text)
            if not found:
                raise Lost(f"'{expected}' is not on {self.where()}")
            self.remembered[name] = found.group(0).split()[-1]
        elif text.lower() not in self.browser.page.text.lower():
            raise Lost(f"'{text}' is not on {self.where()}")

    def where(self):
        page = self.browser.page
        return f"{page.url} ({page.status}): {page.text[:800]}"
