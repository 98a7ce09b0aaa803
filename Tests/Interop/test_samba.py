"""Sign-in with Active Directory: a Samba domain controller, provisioned anew in a folder of its own, in a network of its own where nobody else is.

Its ports are fixed ones, so the whole test runs in a private network namespace (`unshare -n`); provisioning needs root.
"""

import glob
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from authority import Authority
from kernel import Kernel
from test_directory import House, certificate, check
import test_directory

SAMBA = shutil.which("samba", path=os.environ["PATH"] + ":/usr/sbin")
BASE = "DC=example,DC=test"
USERS = f"CN=Users,{BASE}"
ADMINISTRATOR = "Passw0rd-4711-Root"
SERVICE, SERVICE_PASSWORD = "platform@example.test", "Passw0rd-4711-platform"
PEOPLE = ("ada", "grace", "disabled", "expired", "newword", "locked", "guessed")


def password(name):
    return f"Passw0rd-4711-{name}"


def tool(folder, *arguments):
    conf = glob.glob(f"{folder}/etc/smb.conf")
    done = subprocess.run(["samba-tool", *arguments, *(["-s", conf[0]] if conf else [])], capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, (arguments, done.stdout[-1000:], done.stderr[-2000:])
    return done.stdout


class Controller:
    def __init__(self, folder, authority, pem):
        self.folder = os.path.join(folder, "dc")
        tool(self.folder, "domain", "provision", f"--targetdir={self.folder}", "--realm=EXAMPLE.TEST", "--domain=EXAMPLE", "--server-role=dc",
             "--dns-backend=NONE", f"--adminpass={ADMINISTRATOR}", "--host-name=dc1", "--host-ip=127.0.0.1",
             "--option=bind interfaces only=yes", "--option=interfaces=lo", f"--option=log file={folder}/samba.log")
        tool(self.folder, "domain", "passwordsettings", "set", "--account-lockout-threshold=6", "--account-lockout-duration=30",
             "--history-length=0", "--min-pwd-age=0")
        tool(self.folder, "user", "create", "platform", SERVICE_PASSWORD)
        for name in PEOPLE:
            more = ["--must-change-at-next-login"] if name == "newword" else []
            tool(self.folder, "user", "create", name, password(name), f"--mail-address={name}@example.com", f"--given-name={name.title()}",
                 "--surname=Lovelace", *more)
        tool(self.folder, "user", "disable", "disabled")
        tool(self.folder, "user", "setexpiry", "expired", "--days=0")
        for group, members in (("engineers", "ada"), ("staff", "engineers,grace"), ("everyone here", "staff"), ("others", "guessed")):
            tool(self.folder, "group", "add", group)
            tool(self.folder, "group", "addmembers", group, members)
        self.key = os.path.join(folder, "dc-key.pem")
        with open(self.key, "w") as file:
            os.chmod(self.key, 0o600)
            file.write(open(pem).read())
        self.said = open(os.path.join(folder, "samba.said"), "a")
        self.process = subprocess.Popen(
            [SAMBA, "-i", "-M", "single", "-s", f"{self.folder}/etc/smb.conf", "--option=server services=ldap",
             "--option=dcerpc endpoint servers=", f"--option=tls keyfile={self.key}", f"--option=tls certfile={pem}",
             f"--option=tls cafile={authority.path}"], stdout=self.said, stderr=self.said)
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", 636), 1).close()
                return
            except OSError:
                assert self.process.poll() is None and time.monotonic() < deadline, open(self.said.name).read()[-3000:]
                time.sleep(0.1)

    def bind(self, name, word):
        done = subprocess.run(
            ["ldapwhoami", "-x", "-H", "ldaps://localhost", "-D", f"{name}@example.test", "-w", word], capture_output=True, text=True,
            env=dict(os.environ, LDAPTLS_REQCERT="never"), timeout=30)
        # It has no answer to the question who one is, which comes after a bind that went well.
        return 49 if done.returncode == 49 else 0

    def tries(self, name):
        return int(next(line for line in tool(self.folder, "user", "show", name).splitlines() if line.startswith("badPwdCount")).split()[-1])

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.said.close()


def connection(house, **settings):
    return house.connection(**{
        "preset": "active_directory", "servers": "localhost", "base_dn": BASE, "groups_base_dn": USERS, "bind_dn": SERVICE,
        "bind_password": SERVICE_PASSWORD, **settings})


def run(kernel, controller, authority):
    house = House(kernel, authority.path)
    for encryption in ("ldaps", "starttls"):
        made = connection(house, encryption=encryption)
        found = house.inspect(made)
        check(f"{encryption}: an inspection finds nothing wrong", found.status == 200 and found.json["warnings"] == [], found)
        for name in ("ada", "ada@example.test", "ADA", "ada@example.com"):
            found = house.test(made, name, password("ada"))
            check(f"{encryption}: {name} is let in", found.status == 200, found)
        check("groups of groups, walked by the directory", found.json["groups"] == ["engineers", "everyone here", "staff"], found.json)
        check("the role is that of the first fitting rule", found.json["role"] == "viewer")
        shown = controller_guid(controller, "ada")
        check("the subject is the objectGUID as the directory's tools write it", found.json["subject"] == shown, found.json, shown)
        house.drop(made)
    made = connection(house, group_names="dn")
    check("groups by their whole names", f"CN=engineers,{USERS}" in house.test(made, "ada", password("ada")).json["groups"])
    for name, state in (("disabled", "disabled"), ("expired", "expired"), ("newword", "password_must_change")):
        found = house.state(made, name, password(name))
        check(f"{name} is told apart", found == state, found)
        found = house.state(made, name, "Wrong-" + password(name))
        check(f"{name} with a wrong password", found == "credentials_invalid", found)
    for _ in range(7):
        controller.bind("locked", "Wrong-4711")
    check("the directory has locked the account", controller.bind("locked", password("locked")) == 49)
    check("locked is told apart", house.state(made, "locked", password("locked")) == "locked")
    for name in ("*", "a*", "ada)(cn=*", "*)(objectClass=*", "\\2a", f"CN=ada,{USERS}", "EXAMPLE\\ada"):
        check(f"{name!r} finds nobody", house.state(made, name, password("ada")) == "credentials_invalid")
    for number in range(12):
        house.state(made, ("guessed", "guessed@example.test", "guessed@example.com")[number % 3], f"Guess-{number}")
    check("the directory was asked less often than it locks after", 0 < controller.tries("guessed") <= 4, controller.tries("guessed"))
    check("so it lets the person in still", controller.bind("guessed", password("guessed")) == 0)
    wrong = connection(house, servers="127.0.0.1")
    check("a certificate for another name", "not made out to this host" in house.inspect(wrong).json["reason"])
    log = open(kernel.log).read()
    for secret in [SERVICE_PASSWORD] + [password(name) for name in PEOPLE]:
        check("no password stands in the log", secret not in log, secret)


def controller_guid(controller, name):
    line = next(line for line in tool(controller.folder, "user", "show", name).splitlines() if line.startswith("objectGUID:"))
    return line.split()[1].lower()


def main():
    if "--inside" not in sys.argv:
        mapped = [] if os.geteuid() == 0 else ["--map-root-user"]
        sys.exit(subprocess.run(["unshare", "--net", *mapped, sys.executable, os.path.abspath(__file__), "--inside"]).returncode)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory(prefix="samba-") as folder:
        authority = Authority(folder)
        controller = Controller(folder, authority, certificate(authority, "localhost"))
        config = "http:\n  limits_enabled: false\nplugins:\n  ldap:\n    private_server: localhost:636\n    private_server_2: localhost:389\n"
        config += "    private_server_3: 127.0.0.1:636\n    refusal_pace_ms: 50\n    isolation: process\n"
        try:
            with Kernel(config=config) as kernel:
                run(kernel, controller, authority)
        finally:
            controller.stop()
    print(f"samba: {test_directory.passed} passed, 0 failed")


if __name__ == "__main__":
    main()
