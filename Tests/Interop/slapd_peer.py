"""A real slapd on loopback, over a folder of its own: LDAPS and StartTLS under an authority of ours, groups in groups, a password policy."""

import os
import shutil
import signal
import socket
import subprocess
import time

BASE = "dc=example,dc=com"
SERVICE, SERVICE_PASSWORD = f"cn=platform,{BASE}", "password of the platform 4711"
ROOT, ROOT_PASSWORD = f"cn=root,{BASE}", "password of root 4711"
SLAPD = shutil.which("slapd", path=os.environ["PATH"] + ":/usr/sbin")

CONF = """include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
moduleload ppolicy
pidfile {folder}/slapd.pid
TLSCACertificateFile {roots}
TLSCertificateFile {certificate}
TLSCertificateKeyFile {certificate}
require bind
security simple_bind=128
sizelimit 2000
database mdb
suffix {base}
rootdn {root}
rootpw {root_password}
directory {folder}/db
maxsize 20000000
index objectClass,uid,mail,member,entryUUID eq
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact={service} read by * none
overlay memberof
overlay ppolicy
ppolicy_default cn=default,ou=Policies,{base}
ppolicy_use_lockout
"""

PEOPLE = {
    "ada": "Ada", "grace": "Grace", "twin1": "Twin", "twin2": "Twin", "star": "Star", "locked": "Locked", "oldword": "Old", "newword": "New",
    "guessed-in_process": "Guessed", "guessed-process": "Guessed", "eve": "Eve",
}


def password(uid):
    return f"password of {uid} 4711"


def entries():
    yield BASE, {"objectClass": ["dcObject", "organization"], "dc": "example", "o": "Example"}
    for unit in ("People", "Groups", "Policies"):
        yield f"ou={unit},{BASE}", {"objectClass": "organizationalUnit", "ou": unit}
    yield f"cn=default,ou=Policies,{BASE}", {
        "objectClass": ["person", "pwdPolicy"], "cn": "default", "sn": "default", "pwdAttribute": "userPassword", "pwdLockout": "TRUE",
        "pwdMaxFailure": "6", "pwdLockoutDuration": "0", "pwdFailureCountInterval": "0", "pwdMaxAge": "8640000", "pwdMustChange": "TRUE",
    }
    yield SERVICE, {"objectClass": ["person"], "cn": "platform", "sn": "platform", "userPassword": SERVICE_PASSWORD}
    for uid, name in PEOPLE.items():
        mail = "twins@example.com" if uid.startswith("twin") else f"{uid}@example.com"
        yield f"uid={uid},ou=People,{BASE}", {
            "objectClass": "inetOrgPerson", "uid": uid, "cn": f"{name} Lovelace", "givenName": name, "sn": "Lovelace", "mail": mail,
            "userPassword": password(uid),
        }
    # A name full of signs that mean something to whoever writes filters and names as text.
    yield f"uid=odd\\2C \\28\\2A\\29,ou=People,{BASE}", {
        "objectClass": "inetOrgPerson", "uid": "odd, (*)", "cn": "Odd", "sn": "Odd", "mail": "odd@example.com", "userPassword": password("odd"),
    }
    people, groups = f"ou=People,{BASE}", f"ou=Groups,{BASE}"
    # Members that are not there yet are no members to some servers: engineers first, circles last.
    for name, members in {
        "engineers": [f"uid=ada,{people}", f"uid=odd\\2C \\28\\2A\\29,{people}"], "staff": [f"cn=engineers,{groups}", f"uid=grace,{people}"],
        "circle": [f"cn=staff,{groups}", f"cn=ring,{groups}"], "ring": [f"cn=circle,{groups}"], "others": [f"uid=eve,{people}"],
    }.items():
        yield f"cn={name},{groups}", {"objectClass": "groupOfNames", "cn": name, "member": members}


def ldif(items, action=None):
    lines = []
    for name, attributes in items:
        lines.append(f"dn: {name}")
        for attribute, values in attributes.items():
            lines += [f"{attribute}: {value}" for value in ([values] if isinstance(values, str) else values)]
        lines.append("")
    return "\n".join(lines)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Slapd:
    def __init__(self, folder, roots, certificate):
        self.folder, self.roots = os.path.join(folder, "slapd"), roots
        os.makedirs(os.path.join(self.folder, "db"), exist_ok=True)
        self.conf = os.path.join(self.folder, "slapd.conf")
        with open(self.conf, "w") as file:
            file.write(CONF.format(
                folder=self.folder, roots=roots, certificate=certificate, base=BASE, root=ROOT, root_password=f'"{ROOT_PASSWORD}"',
                service=SERVICE))
        self.ldaps, self.ldap, self.process = free_port(), free_port(), None
        self.start()
        self.client("ldapadd", ldif(entries()))

    def start(self):
        urls = f"ldaps://127.0.0.1:{self.ldaps} ldap://127.0.0.1:{self.ldap}"
        # -d: stays in the foreground, as a child of whoever started it.
        self.said = open(os.path.join(self.folder, "said"), "a")
        self.process = subprocess.Popen([SLAPD, "-f", self.conf, "-h", urls, "-d", "stats"], stdout=self.said, stderr=self.said)
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.ldaps), 1).close()
                return
            except OSError:
                assert self.process.poll() is None and time.monotonic() < deadline, open(self.said.name).read()[-2000:]
                time.sleep(0.05)

    def log(self):
        with open(self.said.name, errors="replace") as file:
            return file.read()

    def client(self, command, text, *more):
        environment = dict(os.environ, LDAPTLS_REQCERT="never")  # who tends the directory; what is under test checks names itself
        done = subprocess.run(
            [command, "-x", "-H", f"ldaps://localhost:{self.ldaps}", "-D", ROOT, "-w", ROOT_PASSWORD, *more], input=text, text=True,
            capture_output=True, env=environment, timeout=30)
        assert done.returncode == 0, (command, done.stdout[-500:], done.stderr[-1000:])
        return done.stdout

    def change(self, name, *changes, relax=False):
        text = f"dn: {name}\nchangetype: modify\n" + "\n-\n".join(changes) + "\n"
        self.client("ldapmodify", text, *(["-e", "!relax"] if relax else []))

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
        self.said.close()
