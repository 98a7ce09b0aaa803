"""A release in a bare Debian: test_release.py RELEASE_FOLDER ROOT_FOLDER, as Scripts/release-check.sh has prepared them.

In the root there is no Swift; server and command run there from the release. A writer of plugins, who has Swift, works outside of it with the release's kit."""

import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile

import kernel as house

PATIENCE = 600


class Bare:
    """The bare root, with the release in /opt/coditect."""

    def __init__(self, release, root):
        self.root, self.home = root, os.path.join(root, "opt/coditect")
        shutil.copytree(release, self.home, symlinks=True)
        # A program of the release as it runs in there; paths outside of the root become paths inside.
        self.programs = tempfile.mkdtemp(prefix="programs-")
        for program in ("coditectd", "coditect"):
            path = os.path.join(self.programs, program)
            with open(path, "w", encoding="utf-8") as file:
                file.write(
                    f'#!/bin/bash\nroot={root}\n'
                    'exec unshare --mount bash -c \'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"\' "$root" '
                    f'/opt/coditect/{program} "${{@//"$root"/}}"\n')
            os.chmod(path, 0o755)

    def run(self, *command, env=None, given=None):
        """Inside the root, with nothing of this machine's environment."""
        told = {"PATH": "/opt/coditect:/usr/bin:/bin:/usr/sbin", "HOME": "/tmp", **(env or {})}
        ran = subprocess.run(
            ["unshare", "--mount", "bash", "-c", 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"', self.root, *command],
            env=told, input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE)
        return ran.returncode, ran.stdout

    def fine(self, *command, **more):
        status, text = self.run(*command, **more)
        assert status == 0, f"{command}: exit {status}\n{text[-4000:]}"
        return text


def outside(folder, release, *command, **env):
    """As a writer of plugins, with the release's programs on the path."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    ran = subprocess.run(
        command, cwd=folder, env={**kept, "HOME": folder, "PATH": f"{release}:{os.environ['PATH']}", **env}, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=PATIENCE)
    assert ran.returncode == 0, f"{command}: exit {ran.returncode}\n{ran.stdout[-4000:]}"
    return ran.stdout


class Checks:
    def __init__(self):
        self.passed = 0

    def fine(self, what):
        self.passed += 1
        print(f"  {what}: fine", flush=True)


def main():
    release, root = (os.path.abspath(path) for path in sys.argv[1:3])
    checks = Checks()
    outside(release, release, "sha256sum", "-c", "--quiet", "SHA256SUMS")
    listed = {line.split("  ", 1)[1] for line in open(os.path.join(release, "SHA256SUMS"), encoding="utf-8").read().splitlines()}
    found = {os.path.relpath(os.path.join(place, name), release) for place, _, names in os.walk(release) for name in names}
    assert found - listed == {"SHA256SUMS"} and listed <= found, found ^ listed
    checks.fine("SHA256SUMS lists every file")
    for file in glob.glob(f"{release}/**", recursive=True):
        if os.path.isfile(file) and open(file, "rb").read(4) == b"\x7fELF":
            told = subprocess.run(["readelf", "-d", file], stdout=subprocess.PIPE, text=True, check=True).stdout
            paths = [line for line in told.splitlines() if "RPATH" in line or "RUNPATH" in line]
            assert paths and all("[$ORIGIN" in line for line in paths), f"{file}: {paths}"
    checks.fine("every program and library looks for its libraries beside itself")

    bare = Bare(release, root)
    status, _ = bare.run("sh", "-c", "command -v swift || command -v gcc || test -e /usr/include/openssl")
    assert status != 0, "the bare root is not bare"
    for file in ("coditectd", "coditect", "coditect-plugin-child", "coditect-workstation", *(os.path.relpath(p, release) for p in glob.glob(f"{release}/plugins/*/*.so"))):
        text = bare.fine("ldd", f"/opt/coditect/{file}")
        assert "not found" not in text, f"{file}:\n{text}"
    checks.fine("the dynamic linker finds all in a bare Debian")
    bare.fine("coditectd", "policy", "test")
    checks.fine("the shipped policies pass their own tests")

    house.BUILD = bare.programs
    os.makedirs(f"{root}/tmp/data")
    settings = "plugins:\n  sandbox:\n    isolation: process\n"
    server = house.Kernel(data=f"{root}/tmp/data", config=settings, policies=f"{bare.home}/policies", plugins=f"{bare.home}/plugins").start()
    try:
        token = server.member()
        license = server.paid_license(token)
        checks.fine("a customer buys, through a plugin in a child process")
        bare.fine("coditect", "--version")
        env = {"CODITECT_SERVER": server.base}
        bare.fine("coditect", "login", "--email", "ada@example.com", "--password-stdin", "--server", server.base, given=house.PASSWORD + "\n", env=env)
        key = server.want(200, "GET", f"/api/v1/licenses/{license['id']}", token=token).json["license"]["key"]
        assert "Activated" in bare.fine("coditect", "activate", key, env=env)
        assert "echoed" in bare.fine("coditect", "seat", "run", "--", "echo", "echoed", env=env)
        checks.fine("the customers' command activates and takes a seat")

        writer = tempfile.mkdtemp(prefix="writer-")
        text = outside(writer, release, "coditectd", "plugin", "new", "payment", "acme")
        assert f'path: "{release}/kit/sdk"' in open(f"{writer}/acme-payments/Package.swift", encoding="utf-8").read(), text
        outside(f"{writer}/acme-payments", release, "make", "test")
        outside(f"{writer}/acme-payments", release, "make", "plugin")
        checks.fine("an outsider's plugin builds with the release's kit and passes its tests")
        secrets = {"ACME_SECRET_KEY": "key_4242", "ACME_WEBHOOK_SECRET": "whsec_4242"}
        shutil.copytree(f"{writer}/acme-payments/dist/acme", f"{root}/tmp/acme")
        told = bare.fine("coditectd", "plugin", "check", "/tmp/acme", "--data", "/tmp/other", env=secrets)
        assert "acme  loaded  1.0.0" in told, told
        for name, value in secrets.items():
            with open(f"{root}/tmp/{name}", "w", encoding="utf-8") as file:
                file.write(value)
        shutil.rmtree(writer)
        checks.fine("and loads into the release's programs in the bare root")
    finally:
        server.stop()

    shutil.copytree(f"{root}/tmp/acme", f"{bare.home}/plugins/acme")
    server.env.update({f"{name}_FILE": f"/tmp/{name}" for name in secrets})
    server.start()
    try:
        listed = [json.loads(line) for line in bare.fine("coditectd", "plugin", "list", "--json", "--data", "/tmp/data").splitlines() if line.startswith("{")]
        states = {plugin["id"]: plugin["state"] for plugin in listed}
        assert states["acme"] == "at_work" and states["sandbox"] == "at_work", states
        checks.fine("the release's server has the outsider's plugin at work")
    finally:
        server.stop()
        shutil.rmtree(bare.programs, ignore_errors=True)
    print(f"release: {checks.passed} passed, 0 failed")


if __name__ == "__main__":
    main()
