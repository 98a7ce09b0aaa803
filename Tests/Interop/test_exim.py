"""Mail by the plugin smtp-mail to Exim, the mail server of Debian, started over a folder of its own on loopback: STARTTLS, AUTH, an unknown mailbox,
greylisting by an access list, a mail that its data check refuses, addresses outside ASCII, and what Exim itself reads out of our messages.
"""

import email
import email.policy
import glob
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time

from authority import Authority
from kernel import PASSWORD, Kernel

EXIM = shutil.which("exim4") or "/usr/sbin/exim4"
USER, SECRET = "kernel", "a secret of Exim 4711"
checks = 0


def check(what, holds, *seen):
    global checks
    checks += 1
    assert holds, f"{what}: {seen}"


CONFIG = """
exim_path = @EXIM@
spool_directory = @HERE@/spool
log_file_path = @HERE@/log/%s
pid_file_path = @HERE@/exim.pid
primary_hostname = mail.analytical.example
local_interfaces = <; 127.0.0.1.@PORT@
tls_on_connect_ports =
tls_advertise_hosts = *
tls_certificate = @CERTIFICATE@
tls_privatekey = @CERTIFICATE@
smtputf8_advertise_hosts = *
# Nothing is offered in the clear.
auth_advertise_hosts = ${if eq{$tls_in_cipher}{}{}{*}}
domainlist ours = example.com
acl_smtp_mail = check_mail
acl_smtp_rcpt = check_recipient
acl_smtp_data = check_data
deliver_drop_privilege = true
queue_run_max = 1
host_lookup =
rfc1413_hosts =
log_selector = +tls_cipher +smtp_protocol_error +received_recipients +pid
keep_environment =
message_size_limit = 200K

begin acl
check_mail:
  deny !encrypted = *
       message = 530 5.7.0 encrypt first
  deny !authenticated = *
       message = 530 5.7.0 sign in first
  accept
check_recipient:
  deny !domains = +ours
       message = 550 5.7.1 no relay
  deny local_parts = nobody
       message = 550 5.1.1 no such mailbox here
  # Greylisting: whoever comes the first time is asked to come again.
  defer local_parts = grey
        condition = ${if !exists{@HERE@/grey/seen}}
        condition = ${run{/usr/bin/touch @HERE@/grey/seen}{yes}{yes}}
        message = 451 4.7.1 greylisted, come back
  accept
check_data:
  deny condition = ${if match{$recipients}{spam@}}
       message = 554 5.7.1 this looks like spam
  deny !verify = header_syntax
       message = 550 5.6.0 broken headers
  accept

begin routers
inbox:
  driver = accept
  domains = +ours
  transport = folder

begin transports
folder:
  driver = appendfile
  directory = @HERE@/mail
  maildir_format
  create_directory
  envelope_to_add
  return_path_add
  user = @USER@
  mode = 0600

begin retry
* * F,1h,1m

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_condition = ${if and{{eq{$auth2}{@LOGIN@}}{eq{$auth3}{@SECRET@}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${if and{{eq{$auth1}{@LOGIN@}}{eq{$auth2}{@SECRET@}}}}
  server_set_id = $auth1
"""


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Exim:
    def __init__(self, folder, certificate):
        self.folder, self.port, self.process = folder, free_port(), None
        # Exim delivers as nobody's root: started by root, it works as Debian's user for it.
        self.user = "Debian-exim" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        for name in ("spool", "log", "mail", "grey"):
            os.makedirs(os.path.join(folder, name))
        own = os.path.join(folder, "exim.pem")
        shutil.copy(certificate, own)
        text = CONFIG
        for name, value in {
            "EXIM": EXIM, "HERE": folder, "PORT": str(self.port), "CERTIFICATE": own, "USER": self.user, "LOGIN": USER, "SECRET": SECRET,
        }.items():
            text = text.replace(f"@{name}@", value)
        self.config = os.path.join(folder, "exim.conf")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.config, 0o644)
        if os.geteuid() == 0:
            os.chmod(folder, 0o755)
            for path in [folder, *glob.glob(folder + "/**", recursive=True)]:
                if path != self.config:
                    shutil.chown(path, self.user)

    def start(self):
        self.process = subprocess.Popen([EXIM, "-C", self.config, "-bdf", "-q1m"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                assert self.process.poll() is None, self.process.stderr.read()
                time.sleep(0.05)
        raise AssertionError("Exim does not listen")

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.process.stderr.close()

    def log(self, name="main"):
        path = os.path.join(self.folder, "log", name)
        return open(path, encoding="utf-8", errors="replace").read() if os.path.exists(path) else ""

    def to(self, address):
        found = []
        for path in sorted(glob.glob(os.path.join(self.folder, "mail", "*", "*"))):
            if os.path.basename(os.path.dirname(path)) == "tmp":
                continue
            with open(path, "rb") as file:
                raw = file.read()
            # Addresses outside ASCII stand in these headers as they are.
            head = raw.split(b"\n\n", 1)[0].decode()
            if f"Envelope-to: {address}" in head.splitlines():
                found.append((email.message_from_bytes(raw, policy=email.policy.SMTPUTF8), raw))
        return found


def config(port, isolation):
    return f"""
http:
  limits_enabled: false
mail:
  channel: smtp
  from: no-reply@analytical.example
plugins:
  smtp:
    server: localhost:{port}
    username: {USER}
    timeout_seconds: 10
    isolation: {isolation}
"""


def sign_up(kernel, address, first="Ada", last="Lovelace"):
    body = {"email": address, "password": PASSWORD, "first_name": first, "last_name": last, "organization": "Analytical Engines"}
    kernel.want(201, "POST", "/api/v1/auth/signup", body)


def one(kernel, exim, address, seconds=60):
    kernel.until(f"the mail to {address}", lambda: exim.to(address), seconds)
    return exim.to(address)[0]


def played(authority, isolation):
    with tempfile.TemporaryDirectory() as folder:
        exim = Exim(folder, authority.pair("localhost")).start()
        secret = os.path.join(authority.folder, "password")
        with open(secret, "w", encoding="utf-8") as file:
            file.write(SECRET)
        environment = {"SMTP_PASSWORD_FILE": secret, "SMTP_TRUSTED_ROOTS_FILE": authority.path}
        try:
            with Kernel(config=config(exim.port, isolation), env=environment) as kernel:
                log = lambda: open(kernel.log).read()
                sign_up(kernel, "ada@example.com")
                message, raw = one(kernel, exim, "ada@example.com")
                check("two bodies", [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"])
                check("return path", message["Return-path"] == "<no-reply@analytical.example>", message["Return-path"])
                check("over TLS, signed in", "X=TLS1" in exim.log() and f"A=plain:{USER}" in exim.log(), exim.log()[-500:])
                check("Exim stamps a mail of an authenticated client", "esmtpsa" in str(message["Received"]), message["Received"])
                check("no header added by Exim to mend ours", raw.count(b"\nMessage-ID:") == 1 and raw.count(b"\nDate:") == 1)

                sign_up(kernel, "zoe@example.com", "Zoë", "Łukasiewicz")
                message, raw = one(kernel, exim, "zoe@example.com")
                check("her name", message["To"].addresses[0].display_name == "Zoë Łukasiewicz", message["To"])
                check("in ASCII on the road", raw.isascii())

                # SMTPUTF8.
                sign_up(kernel, "jörg@example.com", "Jörg")
                message, raw = one(kernel, exim, "jörg@example.com")
                check("Exim speaks of SMTPUTF8", "utf8esmtpsa" in raw.decode().replace("\n", " "), raw[:400])

                # Greylisted by an access list: comes again, arrives once.
                sign_up(kernel, "grey@example.com")
                one(kernel, exim, "grey@example.com")
                check("asked to come again once", exim.log("reject").count("greylisted") == 1 and len(exim.to("grey@example.com")) == 1, exim.log("reject"))

                # No such mailbox, and a mail that is refused after the data: for good, each asked once.
                for address, word in [("nobody@example.com", "no such mailbox here"), ("spam@example.com", "looks like spam")]:
                    sign_up(kernel, address)
                    kernel.until(f"the refusal of {address}", lambda: word in exim.log("reject"))
                kernel.until("both in our log", lambda: log().count("refused for good") == 2)
                check("what was said", "5.1.1" in log() and "5.7.1" in log() and "nobody@example.com" not in log())
                check("asked once", exim.log("reject").count("no such mailbox") == 1 and exim.log("reject").count("looks like spam") == 1, exim.log("reject"))

                # A crowd, over the connections that are kept.
                crowd = [f"p{number}@example.com" for number in range(20)]
                for address in crowd:
                    sign_up(kernel, address)
                for address in crowd:
                    one(kernel, exim, address)
                check("each once", all(len(exim.to(address)) == 1 for address in crowd))
                ids = [exim.to(address)[0][0]["Message-ID"] for address in crowd]
                check("ids of their own", len(set(ids)) == len(crowd))

                # Exim goes away and comes back: what was to be sent meanwhile arrives.
                exim.stop()
                sign_up(kernel, "late@example.com")
                exim.start()
                one(kernel, exim, "late@example.com", 90)
                check("no syntax of ours that Exim minds", "syntax" not in exim.log("reject") and "protocol error" not in exim.log(), exim.log("reject"))
                check("no password in any log", SECRET not in log() + exim.log())
        finally:
            exim.stop() if exim.process.poll() is None else None


def main():
    version = subprocess.run([EXIM, "-bV"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(folder)
        for isolation in ("in_process", "process"):
            played(authority, isolation)
    print(f"{version}\nexim: {checks} checks passed")


if __name__ == "__main__":
    main()
