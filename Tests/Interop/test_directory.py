"""Sign-in with a directory: a real server, the plugin ldap-identity in process and in a child, and a real slapd under an authority of our own.

LDAPS and StartTLS; groups in groups with a circle; a password policy's states; names full of signs; and whoever sits before the directory and lies.
"""

import json
import os
import sqlite3
import tempfile
import threading
import time
import uuid

import slapd_peer
from authority import Authority
from kernel import PASSWORD, Kernel
from lying_directory import LIES, Liar
from slapd_peer import BASE, SERVICE, SERVICE_PASSWORD, Slapd
from tiny_browser import Browser

passed = 0


def check(what, holds, *seen):
    global passed
    assert holds, f"{what}: {seen}"
    passed += 1


def certificate(authority, *names):
    authority.context(*names)
    return os.path.join(authority.folder, "-".join(names) + ".pem")


class House:
    """A tenant, its owner's token, and what one does with directories."""

    def __init__(self, kernel, roots):
        self.kernel, self.roots = kernel, open(roots).read()
        kernel.member("owner@example.com")
        self.token = kernel.want(200, "POST", "/api/v1/auth/login", {"email": "owner@example.com", "password": PASSWORD}).json["access_token"]

    def connection(self, **settings):
        given = {
            "preset": "openldap", "base_dn": BASE, "bind_dn": SERVICE, "bind_password": SERVICE_PASSWORD, "groups_base_dn": f"ou=Groups,{BASE}",
            "trusted_roots": self.roots, **settings}
        form = {"provider": "ldap", "label": "Example", "settings": given, "role_map": [{"group": "staff", "role": "viewer"}]}
        return self.kernel.want(201, "POST", "/api/v1/sso/connections", form, token=self.token).json["id"]

    def drop(self, connection):
        self.kernel.want(204, "DELETE", f"/api/v1/sso/connections/{connection}", token=self.token)

    def inspect(self, connection):
        return self.kernel.call("POST", f"/api/v1/sso/connections/{connection}/inspect", token=self.token)

    def test(self, connection, user, password):
        return self.kernel.call(
            "POST", f"/api/v1/sso/connections/{connection}/test", {"user": user, "password": password}, token=self.token)

    def state(self, connection, user, password):
        answer = self.test(connection, user, password)
        return answer.json.get("state", answer.json.get("code")) if answer.status != 200 else "in"


def prove(kernel, tenant_of, domain):
    """What the TXT record of a domain would bring about: nobody answers DNS here."""
    kernel.stop(keep=True)
    database = sqlite3.connect(os.path.join(kernel.data, "coditect.db"))
    tenant = database.execute("SELECT tenant_id FROM connection_directory WHERE connection_id = ?", (uuid.UUID(tenant_of).bytes,)).fetchone()[0]
    database.create_function("current_tenant", 0, lambda: tenant)
    database.execute(
        "INSERT INTO identity_domain_all (tenant_id, domain, challenge, verified_at, created_at) VALUES (?, ?, ?, 1, 1)",
        (tenant, domain, "proved by the test itself"))
    database.execute("INSERT INTO domain_directory (domain, tenant_id) VALUES (?, ?)", (domain, tenant))
    database.commit()
    database.close()
    kernel.start()


def people(house, slapd, connection):
    found = house.test(connection, "ada", slapd_peer.password("ada"))
    check("the right password is let in", found.status == 200, found)
    check("groups of groups are found, a circle ends", found.json["groups"] == ["circle", "engineers", "ring", "staff"], found.json)
    check("the role is that of the first fitting rule", found.json["role"] == "viewer")
    check("the subject is what slapd holds for good", found.json["subject"] in slapd.client(
        "ldapsearch", "", "-LLL", "-b", BASE, "(uid=ada)", "entryUUID"))
    check("who is in one group is in no other", house.test(connection, "eve", slapd_peer.password("eve")).json["groups"] == ["others"])
    check("found by mail as well", house.state(connection, "Ada@Example.com", slapd_peer.password("ada")) == "in")
    check("a name of signs is a name", house.test(connection, "odd, (*)", slapd_peer.password("odd")).json["groups"] == [
        "circle", "engineers", "ring", "staff"])
    for name in ("*", "a*", "ada)(uid=*", "*)(uid=*))(|(uid=*", "\\2a", "ada\\00", "ada))(", "odd\\2c \\28\\2a\\29", f"uid=ada,ou=People,{BASE}"):
        check(f"{name!r} finds nobody", house.state(connection, name, slapd_peer.password("ada")) == "credentials_invalid")
    check("twins: neither comes in", house.state(connection, "twins@example.com", slapd_peer.password("twin1")) == "credentials_invalid")
    for user, state in (("locked", "locked"), ("oldword", "password_expired"), ("newword", "password_must_change")):
        found = house.state(connection, user, slapd_peer.password(user))
        check(f"{user} is told apart", found == state, found)
        found = house.state(connection, user, "wrong")
        check(f"{user} with a wrong password", found in ("credentials_invalid", "locked"), found)
    before = slapd.log().count("BIND dn=")
    answer = house.test(connection, "ada", "")
    check("an empty password is refused before anything is asked", answer.status == 422 and slapd.log().count("BIND dn=") == before, answer)


def lockout(house, slapd, connection, guessed):
    """slapd locks after six; the plugin stops before, by whatever name."""
    name = f'BIND dn="uid={guessed},ou=People,{BASE}"'
    for number in range(12):
        user = (guessed, guessed.upper(), f"{guessed}@example.com")[number % 3]
        house.test(connection, user, f"guess {number}")
    asked = slapd.log().count(name + " method=128")
    check("the directory was asked less often than it locks after", 0 < asked <= 4, asked)
    held = slapd.client("ldapsearch", "", "-LLL", "-b", BASE, f"(uid={guessed})", "pwdAccountLockedTime")
    check("the account is not locked in the directory", "pwdAccountLockedTime:" not in held, held)


def whole(kernel, house, slapd, servers):
    """Somebody whom nobody here has met, from the sign-in page to a session."""
    connection = house.connection(servers=servers, encryption="ldaps")
    prove(kernel, connection, "example.com")
    check("untested is not enabled", kernel.call("POST", f"/api/v1/sso/connections/{connection}/enable", token=house.token).status == 409)
    found = house.test(connection, "grace", slapd_peer.password("grace"))
    check("the test shows the address that counts", found.json["address"] == "grace@example.com", found)
    kernel.want(200, "POST", f"/api/v1/sso/connections/{connection}/enable", token=house.token)
    start = kernel.want(200, "POST", "/api/v1/auth/sso/discover", {"email": "who@example.com"}).json["start_url"]
    check("the domain leads to the directory", start.endswith(f"/sso/{connection}/start"), start)
    path = f"/api/v1/auth/sso/{connection}/password"
    wrong = kernel.call("POST", path, {"user": "grace", "password": "wrong"})
    nobody = kernel.call("POST", path, {"user": "nobody at all", "password": "wrong"})
    locked = kernel.call("POST", path, {"user": "locked", "password": slapd_peer.password("locked")})
    same = [{k: v for k, v in each.json.items() if k not in ("request_id", "instance")} for each in (wrong, nobody, locked)]
    check("wrong, unknown and locked are one answer", same[0] == same[1] == same[2] and wrong.status == 401, same)
    barred = kernel.call("POST", path, {"user": "oldword", "password": slapd_peer.password("oldword")})
    check("an expired password is told to who has it", barred.status == 403 and barred.json["state"] == "password_expired", barred)
    answer = kernel.want(200, "POST", path, {"user": "grace", "password": slapd_peer.password("grace")})
    cookie = answer.headers["set-cookie"].split(";")[0]
    page = kernel.call("GET", "/account/sign-in", headers={"cookie": cookie})
    check("the session opens pages", page.status == 200 and b"Sign" in page.body, page.status)
    members = kernel.want(200, "GET", "/api/v1/memberships", token=house.token).json
    check("grace is a member as her groups say", "viewer" in json.dumps(members), members)
    return connection


def pages(kernel, slapd, servers):
    """An administrator and a member, by what stands on the pages."""
    owner = Browser()
    owner.open(kernel.base + "/sign-in")
    owner.fill("Email", "owner@example.com")
    owner.fill("Password", PASSWORD)
    owner.press("Sign in")
    owner.open("/sso")
    owner.follow("New connection: ldap")
    for label, value in (
        ("Name", "Pages"), ("Directory", "openldap"), ("Servers", servers), ("Encryption", "ldaps"), ("Base", BASE),
        # A field of one line takes the ends of lines away.
        ("Authorities", open(slapd.roots).read().replace("\n", "")), ("Account to search with", SERVICE), ("Its password", SERVICE_PASSWORD),
        ("Groups below", f"ou=Groups,{BASE}"),
    ):
        owner.fill(label, value)
    draft = owner.press("Keep the draft")
    check("the draft needs no redirect address", "State: draft" in draft.text and "redirect address" not in draft.text, draft.text)
    check("the password is not shown", SERVICE_PASSWORD not in draft.source)
    here = draft.url
    owner.press("Test it")
    owner.follow("Sign in there")
    owner.fill("Name in your directory", "oldword")
    owner.fill("Password in your directory", slapd_peer.password("oldword"))
    said = owner.press("Test it").text
    check("the test page tells states apart", "The password is right; it has expired." in said, said)
    owner.fill("Name in your directory", "grace")
    owner.fill("Password in your directory", slapd_peer.password("grace"))
    said = owner.press("Test it").text
    check("and says who it is", "The test worked" in said and "circle, ring, staff" in said and "grace@example.com" in said, said)
    owner.open(here)
    owner.press("Enable it")
    connection = here.rsplit("/", 1)[1]

    member = Browser()
    member.open(kernel.base + f"/api/v1/auth/sso/{connection}/start?next=/account/sign-in")
    check("the way in leads to a page of ours", f"/sign-in/directory/{connection}" in member.page.url, member.page.url)
    member.fill("Name in your directory", "odd, (*)")
    member.fill("Password in your directory", "wrong")
    refused = member.press("Sign in")
    check("a wrong password leaves the name and takes the password away", "do not match" in refused.text and "odd, (*)" in [
        field.value for form in refused.forms for field in form.fields] and "wrong" not in refused.source, refused.text)
    member.fill("Password in your directory", slapd_peer.password("odd"))
    arrived = member.press("Sign in")
    check("the right one leads on", arrived.url.endswith("/account/sign-in"), arrived.url, arrived.text)
    known = Browser()
    known.open(kernel.base + f"/sign-in/directory/{connection}")
    known.fill("Name in your directory", "grace")
    known.fill("Password in your directory", slapd_peer.password("grace"))
    said = known.press("Sign in")
    check("an address that another connection's person has is asked about by mail", "Check your mail" in said.text, said.text)


def refusals(house, slapd):
    """Settings that are wrong, certificates that are another's: sentences for who can mend it, and nobody comes in."""
    for settings, words in (
        ({"servers": f"localhost:{slapd.ldaps}", "bind_password": "wrong"}, "does not let bind_dn in"),
        ({"servers": f"localhost:{slapd.ldaps}", "base_dn": "dc=nowhere,dc=com", "groups_base_dn": ""}, "base_dn names nothing"),
        ({"servers": f"localhost:{slapd.ldaps}", "trusted_roots": ""}, "trusted authority"),
        ({"servers": f"127.0.0.1:{slapd.ldaps}"}, "not made out to this host"),
        ({"servers": f"localhost:{slapd.ldap}"}, "TLS"), ({"servers": "127.0.0.1:1636"}, "not named in plugin.json"),
    ):
        connection = house.connection(**{"encryption": "ldaps", **settings})
        answer = house.inspect(connection)
        check(f"{words}: said to the administrator", answer.status == 422 and words in answer.json["reason"], settings, answer)
        check(f"{words}: nobody comes in", house.state(connection, "ada", slapd_peer.password("ada")) != "in")
        house.drop(connection)


def lies(house, liar, encryption):
    for name in LIES:
        liar.lie = name
        connection = house.connection(servers=f"localhost:{liar.port}", encryption=encryption)
        begun = time.monotonic()
        state = house.state(connection, "ada", slapd_peer.password("ada"))
        check(f"{name}: nobody comes in", state in ("not_believed", "unreachable", "misconfigured", "credentials_invalid"), state)
        check(f"{name}: it ends", time.monotonic() - begun < 60)
        house.drop(connection)
    for secret in (SERVICE_PASSWORD, slapd_peer.password("ada")):
        check("nothing was said in the clear", secret.encode() not in bytes(liar.clear))


def run(isolation, slapd, authority, liar):
    config = "http:\n  limits_enabled: false\nplugins:\n  ldap:\n"
    config += f"    private_server: localhost:{slapd.ldaps}\n    private_server_2: localhost:{slapd.ldap}\n"
    config += f"    private_server_3: 127.0.0.1:{slapd.ldaps}\n    private_server_4: localhost:{liar.port}\n"
    config += f"    timeout_seconds: 2\n    sign_in_seconds: 6\n    refusal_pace_ms: 50\n    isolation: {isolation}\n"
    with Kernel(config=config) as kernel:
        house = House(kernel, authority.path)
        for encryption, port in (("ldaps", slapd.ldaps), ("starttls", slapd.ldap)):
            connection = house.connection(servers=f"localhost:{port}", encryption=encryption)
            found = house.inspect(connection)
            check(f"{encryption}: an inspection finds nothing wrong", found.status == 200 and found.json["warnings"] == [], found)
            people(house, slapd, connection)
            house.drop(connection)
        connection = house.connection(servers=f"localhost:{slapd.ldaps}", people_filter=f"(memberOf=cn=engineers,ou=Groups,{BASE})")
        check("a filter lets some come", house.state(connection, "ada", slapd_peer.password("ada")) == "in")
        check("and others not", house.state(connection, "grace", slapd_peer.password("grace")) == "credentials_invalid")
        house.drop(connection)
        lockout(house, slapd, house.connection(servers=f"localhost:{slapd.ldaps}"), f"guessed-{isolation}")
        refusals(house, slapd)
        lies(house, liar, "starttls")
        whole(kernel, house, slapd, f"localhost:{slapd.ldaps}")
        pages(kernel, slapd, f"localhost:{slapd.ldaps}")
        log = open(kernel.log).read()
        for secret in [SERVICE_PASSWORD] + [slapd_peer.password(uid) for uid in slapd_peer.PEOPLE]:
            check("no password stands in the log", secret not in log, secret)
        check("the log tells the states apart", "account: locked" in log and "account: credentials_invalid" in log)


def main():
    with tempfile.TemporaryDirectory(prefix="directory-") as folder:
        authority = Authority(folder)
        slapd = Slapd(folder, authority.path, certificate(authority, "localhost"))
        try:
            for uid, change in (
                ("locked", "replace: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z"), ("newword", "replace: pwdReset\npwdReset: TRUE"),
                ("oldword", "replace: pwdChangedTime\npwdChangedTime: 20200101000000Z"),
            ):
                slapd.change(f"uid={uid},ou=People,{BASE}", change, relax=uid == "oldword")
            liar = Liar(certificate(authority, "localhost"))
            threading.Thread(target=liar.run, daemon=True).start()
            for isolation in ("in_process", "process"):
                run(isolation, slapd, authority, liar)
        finally:
            slapd.stop()
    print(f"directory: {passed} passed, 0 failed")


if __name__ == "__main__":
    main()
