"""`coditectd plugin new` for every kind that has a template: the package is made outside of the tree, builds, passes its kind's conformance kit and is
taken by `plugin check`. Then the usual mistakes of who writes a first plugin, each of which must end in a sentence that says what to do.

  test_plugin_scaffold.py          builds two kinds, as they are told apart most; of the others the text (Scripts/test-plugins.sh builds their templates)
  test_plugin_scaffold.py --all    builds every kind
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

from kernel import BUILD, ROOT

PATIENCE = 600
BUILT = ("payment", "policy")


class Bench:
    """A folder outside of the tree. All packages share one scratch folder, so that the kit is compiled once."""

    def __init__(self, folder):
        self.folder, self.passed = folder, 0
        kept = ("PATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")
        self.env = {name: value for name, value in os.environ.items() if name in kept}
        self.env.update(HOME=folder, PATH=f"{BUILD}:{os.environ['PATH']}", NO_COLOR="1")

    def run(self, *command, env=None, cwd=None):
        ran = subprocess.run(
            command, env={**self.env, **(env or {})}, cwd=cwd or self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=PATIENCE)
        return ran.returncode, ran.stdout

    def says(self, what, answer, *sentences, code=None):
        status, text = answer
        flat = re.sub(r"\s+", " ", text)
        for sentence in sentences:
            assert sentence in flat, f"{what}: no '{sentence}' in (exit {status})\n{text[-6000:]}"
        assert code is None or status == code, f"{what}: exit {status} instead of {code}\n{text[-6000:]}"
        self.passed += 1
        print(f"  {what}: {sentences[0] if sentences else 'fine'}", flush=True)

    def swift(self, verb, package, *more):
        return self.run(
            "swift", verb, "--disable-build-manifest-caching", "--package-path", package, "--scratch-path", os.path.join(self.folder, "scratch"), *more)

    def lay(self, package, into="dist"):
        """What `make plugin` does, from the debug build."""
        manifest = json.load(open(os.path.join(self.folder, package, "plugin.json"), encoding="utf-8"))
        place = os.path.join(self.folder, package, into)
        shutil.rmtree(place, ignore_errors=True)
        os.makedirs(place)
        shutil.copy(os.path.join(self.folder, "scratch/debug", manifest["library"]), place)
        shutil.copy(os.path.join(self.folder, package, "plugin.json"), place)
        return place, manifest

    def check(self, place, **env):
        return self.run("coditectd", "plugin", "check", place, env=env)


def kinds():
    folder = os.path.join(ROOT, "plugins/template")
    return sorted(name for name in os.listdir(folder) if os.path.exists(os.path.join(folder, name, "plugin.json")))


def secrets(manifest):
    return {secret["name"]: f"whsec_{number}_of_the_test_4242" for number, secret in enumerate(manifest.get("secrets", []))}


def every_kind(bench, is_built):
    """Package folder of each kind; of some of them it is built and tried."""
    made = {}
    for kind in kinds():
        status, text = bench.run("coditectd", "plugin", "new", kind, "acme-new")
        assert status == 0, text
        package = re.search(r"^next: cd (\S+) && make test && make plugin$", text, re.M)[1]
        files = [line.removeprefix("wrote ") for line in text.splitlines() if line.startswith("wrote ")]
        left = [path for path in files if re.search("template|KIT_FOLDER", open(path, encoding="utf-8").read().replace(ROOT, ""), re.I)]
        assert not left, f"{kind}: words of the template are left in {left}"
        assert {"Makefile", "Package.swift", "README.md", "plugin.json"} <= set(os.listdir(os.path.join(bench.folder, package)))
        made[kind] = package
        if not is_built(kind):
            shutil.rmtree(os.path.join(bench.folder, package))
            bench.passed += 1
            continue
        status, text = bench.swift("test", package, "--disable-xctest")
        assert status == 0 and re.search(r"Test run with [1-9][0-9]* tests? .*passed", text), text[-6000:]
        place, manifest = bench.lay(package)
        answer = bench.check(place, **secrets(manifest))
        bench.says(f"a new {kind} plugin", answer, "acme-new loaded 1.0.0, kit ", code=0)
    return made


class Mistakes:
    """Each changes one thing of the new payment plugin, and puts it back."""

    def __init__(self, bench, package):
        self.bench, self.package, self.place = bench, package, os.path.join(bench.folder, package)
        self.source = "Sources/AcmeNewPayments/AcmeNewPayments.swift"
        _, manifest = bench.lay(package)
        self.secrets = secrets(manifest)

    def changed(self, what, path, old, new, sentence, test=False, code=None):
        path = os.path.join(self.place, path)
        with open(path, encoding="utf-8") as file:
            kept = file.read()
        assert old in kept, f"{what}: the mistake finds no place"
        with open(path, "w", encoding="utf-8") as file:
            file.write(kept.replace(old, new, 1))
        try:
            answer = self.bench.swift("test", self.package, "--disable-xctest") if test else self.bench.swift("build", self.package)
            if not test and answer[0] == 0:
                answer = self.bench.check(self.bench.lay(self.package, "tried")[0], **self.secrets)
            assert answer[0] != 0, f"{what}: nobody minds\n{answer[1][-3000:]}"
            self.bench.says(what, answer, sentence, code=code)
        finally:
            with open(path, "w", encoding="utf-8") as file:
                file.write(kept)

    def run(self):
        bench, dist = self.bench, os.path.join(self.place, "dist")
        bench.says("no such kind", bench.run("coditectd", "plugin", "new", "payments", "acme2"), "one of " + ", ".join(kinds()), code=1)
        bench.says("an id of another", bench.run("coditectd", "plugin", "new", "payment", "stripe"), "'stripe' is the id of another plugin", code=1)
        bench.says(
            "no kit there", bench.run("coditectd", "plugin", "new", "payment", "acme2", "--kit", "/nowhere"), "give --kit with the folder that holds", code=1)
        moved = os.path.join(bench.folder, "moved")
        shutil.copytree(self.place, moved, ignore=shutil.ignore_patterns("dist", ".build"))
        file = os.path.join(moved, "Package.swift")
        text = open(file, encoding="utf-8").read().replace(os.path.join(ROOT, "plugins"), "/nowhere")
        open(file, "w", encoding="utf-8").write(text)
        bench.says("the kit moved away", bench.run("make", "plugin", cwd=moved), "The plugin kit is not in /nowhere/sdk: let both paths in Package.swift")
        bench.says(
            "the package instead of dist", bench.check(self.place, **self.secrets),
            "is not beside plugin.json. Build the plugin and put the library beside plugin.json.", code=65)

        bench.says(
            "a setting misspelt by the operator", self.configured("api_bsae: http://x.test"),
            "The setting api_bsae is unknown; this plugin has api_base.", code=65)
        for name in ("ACME_NEW_SECRET_KEY", "secret_key"):
            answer = self.configured(f"{name}: sk_live_4242")
            bench.says(f"a secret in the settings, {name}", answer, "remove it, change it at the provider", "set the variable ACME_NEW_SECRET_KEY,", code=65)
            assert "sk_live_4242" not in answer[1]

        self.changed("a kind that is none", "plugin.json", "payment_provider", "payment", "kinds names payment; this kit knows payment_provider,", code=65)
        self.changed(
            "the wrong kind", "plugin.json", '"kinds": ["payment_provider"],\n  "kit": "1.2",', '"kinds": ["policy_module"], "hooks": ["on_seat_request"],\n  "kit": "1.2",',
            "webhook is for payment providers only", code=65)
        self.changed(
            "a setting that plugin.json lacks", self.source, 'text("api_base")', 'text("api_bas")',
            "The setting api_bas is not in the settings of plugin.json, or has neither value nor default.", code=65)
        self.changed(
            "a secret that plugin.json lacks", self.source, 'one("ACME_NEW_SECRET_KEY")', 'one("ACME_NEW_KEY")',
            "The secret ACME_NEW_KEY is missing: secrets in plugin.json do not name it", code=65)
        self.changed("another id in the code", self.source, 'let id = "acme-new"', 'let id = "acme"', "plugin.json says the id acme-new, the library says acme.", code=65)
        self.changed("no entry", self.source, "@c(coditect_plugin_entry)", "", "Export the entry exactly as the kit's PluginEntry shows.", code=65)
        self.changed(
            "no note", "Package.swift", ', .product(name: "PluginNote", package: "sdk")]', "]",
            "carries no note of the plugin kit. Let the target depend on the product PluginNote, and build it again.", code=65)
        self.changed(
            "a verify that waits", self.source, "guard delivery.body.count <=", "Thread.sleep(forTimeInterval: 6)\n        guard delivery.body.count <=",
            "s to look at a webhook. Let verify compute and nothing else", code=65)
        self.changed(
            "an error of one's own", self.source, "try signature.verify(header", "if delivery.headers.isEmpty { throw CocoaError(.fileNoSuchFile) }\n        try signature.verify(header",
            "It does not call a webhook without a signature forged, stale or malformed", code=65)
        self.changed(
            "no Sendable", self.source, "    let signature: WebhookSignature\n", "    let signature: WebhookSignature\n    let seen = Seen()\n    final class Seen { var count = 0 }\n",
            "has non-Sendable type 'AcmeNewProvider.Seen'")
        self.changed(
            "a host that plugin.json lacks", self.source, "OutboundRequest(method, base + path", 'OutboundRequest(method, "https://elsewhere.example" + path',
            "The host https://elsewhere.example:443 is not named in plugin.json. Add it to hosts", test=True)
        self.static_copy(dist)

    def configured(self, line):
        file = os.path.join(self.bench.folder, "coditect.yaml")
        with open(file, "w", encoding="utf-8") as yaml:
            yaml.write(f"plugins:\n  acme-new:\n    {line}\n")
        return self.bench.run("coditectd", "plugin", "check", os.path.join(self.place, "dist"), "--config", file, env=self.secrets)

    def static_copy(self, dist):
        """A kit of one's own that is not dynamic: the plugin holds a copy, whose types are none of the server's."""
        copy, kit = os.path.join(self.bench.folder, "copied"), os.path.join(self.bench.folder, "own-kit")
        shutil.copytree(self.place, copy, ignore=shutil.ignore_patterns("dist", ".build"))
        for part in ("sdk", "sdk-testing"):
            shutil.copytree(os.path.join(ROOT, "plugins", part), os.path.join(kit, part), ignore=shutil.ignore_patterns(".build", "Tests"))
        for file, old, new in (
            (os.path.join(copy, "Package.swift"), os.path.join(ROOT, "plugins"), kit),
            (os.path.join(kit, "sdk/Package.swift"), 'name: "PluginKit", type: .dynamic', 'name: "PluginKit"'),
            (os.path.join(kit, "sdk/Package.swift"), '        .testTarget(name: "PluginKitTests", dependencies: ["PluginKit"], swiftSettings: strict),\n', ""),
        ):
            text = open(file, encoding="utf-8").read()
            assert old in text, f"{file}: no {old}"
            open(file, "w", encoding="utf-8").write(text.replace(old, new))
        status, said = self.bench.run(
            "swift", "build", "--package-path", copy, "--scratch-path", os.path.join(self.bench.folder, "scratch-of-copied"), "--product", "AcmeNewPayments")
        assert status == 0, said[-3000:]
        shutil.copy(os.path.join(self.bench.folder, "scratch-of-copied/debug/libAcmeNewPayments.so"), dist)
        self.bench.says("the kit linked statically", self.bench.check(dist, **self.secrets), "does not link libPluginKit.so. Depend on the dynamic product PluginKit; never link it statically.", code=65)


def main():
    folder = tempfile.mkdtemp(prefix="plugin-scaffold-")
    try:
        bench = Bench(folder)
        if "--all" in sys.argv:
            made = every_kind(bench, lambda kind: True)
        else:
            made = every_kind(bench, BUILT.__contains__)
        Mistakes(bench, made["payment"]).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"plugin scaffold: {bench.passed} passed, 0 failed")


if __name__ == "__main__":
    main()
