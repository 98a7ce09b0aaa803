"""Every mail of ours in a real browser, as a mail program would show it: by day and by night, on a phone and on a desk, in the platform's look and in
tenants' looks with colours that nobody should choose. Nothing may be loaded, axe-core may find nothing, nothing may be wider than a phone.

    test_mail_pages.py [--shots FOLDER]
"""

import argparse
import glob
import os
import subprocess
import sys
import tempfile

from playwright.sync_api import sync_playwright

from kernel import BUILD, ROOT
from real_browser import AXE, CHROMIUM, PHONE, REFLOW, WIDE

LOOKS = {
    "platform": [],
    "yellow": ["--name", "Analytical Engines", "--accent", "#ffee00", "--footer", "12 Dorset Street, London"],
    "night": ["--name", "Müller & Söhne", "--accent", "#000000"],
    "grey": ["--name", "W" * 60, "--accent", "#777777", "--footer", "Lorem ipsum dolor " * 16],
}


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--shots", help="a folder for pictures")
    given = options.parse_args()
    faults, looked = [], 0
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        tab = browser.new_page(reduced_motion="reduce")
        asked = []
        tab.on("request", lambda request: asked.append(request.url) if not request.url.startswith("file:") else None)
        tab.on("console", lambda message: faults.append(f"console: {message.text}") if message.type in ("error", "warning") else None)
        with open(AXE, encoding="utf-8") as file:
            axe = file.read()
        for look, more in LOOKS.items():
            out = os.path.join(folder, look)
            command = [os.path.join(BUILD, "coditectd"), "mail", "preview", "--data", os.path.join(folder, "data"), "--policies", os.path.join(ROOT, "policies"), "--output", out, *more]
            subprocess.run(command, check=True, capture_output=True)
            pages = sorted(glob.glob(out + "/*.html"))
            assert len(pages) >= 20, pages
            for page in pages if look == "platform" else [p for p in pages if os.path.basename(p) in ("invitation.html", "payment_failed.html")]:
                name = f"{look}-{os.path.basename(page)[:-5]}"
                tab.goto("file://" + page)
                for size, viewport in (("desk", WIDE), ("phone", PHONE)):
                    tab.set_viewport_size(viewport)
                    for scheme in ("light", "dark"):
                        tab.emulate_media(color_scheme=scheme)
                        looked += 1
                        faults += [f"{name} {size}: {fault}" for fault in tab.evaluate(REFLOW)]
                        tab.evaluate(axe)
                        found = tab.evaluate("() => axe.run(document, {rules: {region: {enabled: false}, 'landmark-one-main': {enabled: false}}})")
                        for rule in found["violations"]:
                            faults += [f"{name} {size} {scheme}: {rule['id']}: {node['html'][:160]}" for node in rule["nodes"]]
                        assert any(rule["id"] == "color-contrast" for rule in found["passes"]), "contrast was not looked at"
                        ground = tab.evaluate("() => getComputedStyle(document.body).backgroundColor")
                        if (ground == "rgb(15, 19, 24)") != (scheme == "dark"):
                            faults.append(f"{name}: by {scheme} its ground is {ground}")
                        if given.shots:
                            os.makedirs(given.shots, exist_ok=True)
                            tab.screenshot(path=os.path.join(given.shots, f"{name}-{size}-{scheme}.png"), full_page=True)
        browser.close()
        faults += [f"loaded: {url}" for url in asked]
    for fault in faults:
        print(f"mail pages: {fault}")
    print(f"mail pages: {looked} looked at, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
