"""Mail by the plugin smtp-mail, from a real server to aiosmtpd, an SMTP server written by others, with faults on purpose.

STARTTLS and encryption from the first byte, with certificates of an authority of our own; in the server's process and in a child's; a certificate for
another host, a wrong password, greylisting, a mailbox that is not there, a connection that ends after the mail was taken.
"""

import asyncio
import email
import email.policy
import os
import re
import tempfile
import threading
import warnings

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from authority import Authority
from kernel import PASSWORD, Kernel

warnings.simplefilter("ignore")  # about AUTH where encryption came with the connection
USER, SECRET = "kernel", "a secret of the mail server 4711"
checks = 0


def check(what, holds, *seen):
    global checks
    checks += 1
    assert holds, f"{what}: {seen}"


class MailServer:
    """aiosmtpd on a free loopback port, with the faults that a test asks for."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.taken, self.refused, self.faults, self.server, self.port, self.passwords = [], [], {}, None, 0, []

    def start(self, context, implicit=False):
        def authenticate(server, session, envelope, mechanism, data):
            ok = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), SECRET.encode())
            self.passwords.append((ok, session.ssl is not None))
            return AuthResult(success=ok, handled=False)

        def connection():
            tls = {} if implicit else {"tls_context": context, "require_starttls": True}
            return SMTP(self, auth_required=True, authenticator=authenticate, enable_SMTPUTF8=True, loop=self.loop, auth_require_tls=not implicit, **tls)

        async def begin():
            return await self.loop.create_server(connection, "127.0.0.1", self.port, ssl=context if implicit else None)

        self.server = asyncio.run_coroutine_threadsafe(begin(), self.loop).result(10)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    def stop(self):
        async def end():
            self.server.close()

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(10)

    # What aiosmtpd asks.
    async def handle_RCPT(self, server, session, envelope, address, options):
        fault = self.faults.get(address)
        if fault in ("450", "550"):
            self.refused.append((fault, address))
            if fault == "450":
                del self.faults[address]
            return "450 4.2.0 greylisted, come back" if fault == "450" else f"550 5.1.1 <{address}> no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.taken.append((list(envelope.rcpt_tos), email.message_from_bytes(envelope.content, policy=email.policy.default), envelope.content))
        if any(self.faults.pop(address, None) == "cut" for address in envelope.rcpt_tos):
            server.transport.abort()
        return "250 2.0.0 queued"

    def to(self, address):
        return [message for recipients, message, _ in self.taken if recipients == [address]]


def config(port, encryption, isolation):
    return f"""
http:
  limits_enabled: false
mail:
  channel: smtp
  from: no-reply@analytical.example
plugins:
  smtp:
    server: localhost:{port}
    encryption: {encryption}
    username: {USER}
    timeout_seconds: 5
    isolation: {isolation}
"""


def link(message):
    return re.search(r"token=([A-Za-z0-9_.~-]+)", message.get_body(preferencelist=("plain",)).get_content()).group(1)


def sign_up(kernel, address, first="Ada", last="Lovelace"):
    body = {"email": address, "password": PASSWORD, "first_name": first, "last_name": last, "organization": "Analytical Engines"}
    kernel.want(201, "POST", "/api/v1/auth/signup", body)


def played(authority, folder, encryption, isolation):
    implicit = encryption == "implicit"
    mail = MailServer().start(authority.context("mail.elsewhere.example"), implicit)
    secret = os.path.join(folder, "password")
    with open(secret, "w") as file:
        file.write(SECRET)
    environment = {"SMTP_PASSWORD_FILE": secret, "SMTP_TRUSTED_ROOTS_FILE": authority.path}
    with Kernel(config=config(mail.port, encryption, isolation), env=environment) as kernel:
        log = lambda: open(kernel.log).read()

        # A certificate of the right authority for another host: nothing is said, the mail waits, staff can read why.
        sign_up(kernel, "ada@example.com")
        kernel.until("the reason in the log", lambda: "not made out to this host" in log() or "not signed by" in log())
        check("a certificate for another host is not spoken to", not mail.taken and not mail.passwords)
        mail.stop()
        mail.start(authority.context("localhost"), implicit)
        kernel.until("the mail that waited", lambda: mail.to("ada@example.com"), 60)
        message = mail.to("ada@example.com")[0]
        check("signed in, over an encrypted connection", mail.passwords[0][0] and (implicit or mail.passwords[0][1]), mail.passwords)
        check("from", message["From"].addresses[0].addr_spec == "no-reply@analytical.example", message["From"])
        check("two bodies", [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"])
        kernel.want(200, "POST", "/api/v1/auth/verify-email", {"token": link(message)})
        check("once", len(mail.to("ada@example.com")) == 1)
        check("nothing lies in the mailbox", kernel.mails() == [])

        # Names outside ASCII arrive as they are; the message itself is ASCII.
        sign_up(kernel, "zoe@example.com", "Zoë", "Łukasiewicz")
        kernel.until("the mail to Zoë", lambda: mail.to("zoe@example.com"))
        check("her name", mail.to("zoe@example.com")[0]["To"].addresses[0].display_name == "Zoë Łukasiewicz", mail.to("zoe@example.com")[0]["To"])
        check("ASCII", all(content.isascii() for recipients, _, content in mail.taken if recipients == ["zoe@example.com"]))

        # An address outside ASCII.
        sign_up(kernel, "jörg@example.com")
        kernel.until("the mail to Jörg", lambda: mail.to("jörg@example.com"))

        # Greylisted: asked again, arrives once.
        mail.faults["bob@example.com"] = "450"
        sign_up(kernel, "bob@example.com")
        kernel.until("the mail to Bob", lambda: mail.to("bob@example.com"), 60)
        check("greylisted once", mail.refused == [("450", "bob@example.com")] and len(mail.to("bob@example.com")) == 1, mail.refused)

        # No such mailbox: never asked again; nobody's address in the log.
        mail.faults["nobody@example.com"] = "550"
        sign_up(kernel, "nobody@example.com")
        kernel.until("the refusal", lambda: "refused for good" in log())
        check("5.1.1", "5.1.1" in log() and "nobody@example.com" not in log())

        # The connection ends after the mail was taken: unknown, so it comes again, recognisably the same.
        mail.faults["eve@example.com"] = "cut"
        sign_up(kernel, "eve@example.com")
        kernel.until("the second copy", lambda: len(mail.to("eve@example.com")) == 2, 60)
        check("one Message-ID", len({m["Message-ID"] for m in mail.to("eve@example.com")}) == 1)
        check("both links work once", kernel.call("POST", "/api/v1/auth/verify-email", {"token": link(mail.to("eve@example.com")[1])}).status == 200)

        # Anything of it in a log?
        check("no password in the log", SECRET not in log())
        check("refused once, and for good", mail.refused.count(("550", "nobody@example.com")) == 1, mail.refused)
        # And it stops in good order with a connection kept.
    mail.stop()


def wrong_password(authority, folder):
    mail = MailServer().start(authority.context("127.0.0.1", "localhost"))
    secret = os.path.join(folder, "wrong")
    with open(secret, "w") as file:
        file.write("not it")
    environment = {"SMTP_PASSWORD_FILE": secret, "SMTP_TRUSTED_ROOTS_FILE": authority.path}
    settings = config(mail.port, "starttls", "in_process").replace("localhost:", "127.0.0.1:")
    with Kernel(config=settings, env=environment) as kernel:
        sign_up(kernel, "ada@example.com")
        kernel.until("the reason", lambda: "refuses username and password" in open(kernel.log).read())
        check("nothing was taken", mail.taken == [])
        with open(secret, "w") as file:
            file.write(SECRET)
        kernel.until("the mail, after the password was mended in its file", lambda: mail.to("ada@example.com"), 60)
        check("a certificate made out to an address", mail.passwords[-1] == (True, True), mail.passwords)
    mail.stop()


def main():
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(folder)
        played(authority, folder, "starttls", "in_process")
        played(authority, folder, "implicit", "process")
        wrong_password(authority, folder)
    print(f"mail: {checks} checks passed")


if __name__ == "__main__":
    main()
