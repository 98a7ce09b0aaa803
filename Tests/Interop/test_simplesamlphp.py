"""SimpleSAMLphp as identity provider, in a real browser: an organization sets it up on our pages and tests it, and somebody signs in.

It is served on `localhost` and we on `127.0.0.1`, two sites to a browser: what SimpleSAMLphp makes it post comes without our cookie, as in real life.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kernel import PASSWORD, Kernel  # noqa: E402
from real_browser import with_chromium  # noqa: E402

SSP = "/usr/share/simplesamlphp"
CONFIG = """<?php
$config = ['baseurlpath' => '{origin}/', 'certdir' => '{folder}/', 'loggingdir' => '{folder}/', 'datadir' => '{folder}/', 'tempdir' => '{folder}/tmp',
  'metadatadir' => '{folder}/metadata/', 'attributenamemapdir' => '{ssp}/attributemap/', 'secretsalt' => '{salt}', 'auth.adminpassword' => '{salt}',
  'technicalcontact_name' => 'A', 'technicalcontact_email' => 'a@example.org', 'timezone' => 'UTC', 'enable.saml20-idp' => true,
  'module.enable' => ['exampleauth' => true, 'core' => true, 'saml' => true], 'session.cookie.secure' => false, 'session.cookie.samesite' => null,
  'language.cookie.secure' => false, 'language.cookie.samesite' => null, 'store.type' => 'phpsession', 'logging.handler' => 'file', 'logging.level' => 7,
  'language.available' => ['en'], 'language.default' => 'en', 'usenewui' => true, 'trusted.url.domains' => ['127.0.0.1'],
  'metadata.sources' => [['type' => 'flatfile'] {sources}]];
"""
AUTH = """<?php
$config = ['people' => ['exampleauth:UserPass',
  'grace:cobol-1959' => ['uid' => ['g-1001'], 'mail' => ['grace@example.com'], 'givenName' => ['Grace'], 'sn' => ['Hopper'], 'groups' => ['engineers', 'navy']]]];
"""
HOSTED = """<?php
$metadata['{origin}/idp'] = ['host' => '__DEFAULT__', 'privatekey' => 'idp.key', 'certificate' => 'idp.crt', 'auth' => 'people', 'userid.attribute' => 'uid',
  'signature.algorithm' => 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256', 'validate.authnrequest' => true, 'assertion.encryption' => true,
  'saml20.sign.assertion' => true, 'saml20.sign.response' => {signs}, 'NameIDFormat' => 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
  'SingleSignOnServiceBinding' => ['urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect', 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST'],
  'authproc' => [3 => ['class' => 'saml:PersistentNameID', 'attribute' => 'uid']]];
"""


class SimpleSAML:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="simplesaml-")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.origin, self.known = f"http://localhost:{self.port}", []
        for name in ("metadata", "tmp", "sessions"):
            os.mkdir(os.path.join(self.folder, name))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=idp", "-keyout", f"{self.folder}/idp.key",
                        "-out", f"{self.folder}/idp.crt"], check=True, capture_output=True)
        self.write("authsources.php", AUTH)
        self.configure()
        self.log = open(os.path.join(self.folder, "php.log"), "w", encoding="utf-8")
        self.process = subprocess.Popen(
            ["php", "-d", f"session.save_path={self.folder}/sessions", "-d", "display_errors=0", "-d", "opcache.enable=0", "-S", f"127.0.0.1:{self.port}", "-t", SSP + "/www"],
            env={**os.environ, "SIMPLESAMLPHP_CONFIG_DIR": self.folder, "PHP_CLI_SERVER_WORKERS": "4"}, stdout=self.log, stderr=self.log,
            start_new_session=True)

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def configure(self, signs="false"):
        sources = "".join(f", ['type' => 'xml', 'file' => '{self.folder}/metadata/{name}']" for name in self.known)
        self.write("config.php", CONFIG.format(origin=self.origin, folder=self.folder, ssp="/etc/simplesamlphp", salt="s" * 40, sources=sources))
        self.write("metadata/saml20-idp-hosted.php", HOSTED.format(origin=self.origin, signs=signs))

    def know(self, metadata):
        """SimpleSAMLphp reads our metadata as we publish it."""
        self.known.append(f"sp-{len(self.known)}.xml")
        self.write("metadata/" + self.known[-1], metadata)
        self.configure("true" if len(self.known) % 2 == 0 else "false")

    @property
    def metadata(self):
        return self.origin + "/saml2/idp/metadata.php"

    def answers(self):
        try:
            with urllib.request.urlopen(self.metadata, timeout=10) as answer:
                return b"IDPSSODescriptor" in answer.read()
        except urllib.error.HTTPError as error:
            raise SystemExit(f"SimpleSAMLphp answered {error.code}: {error.read()[-2000:]}") from error
        except OSError:
            return False

    def close(self):
        # Its workers outlive it: the group is its own.
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(10)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def sign_in(self, tab, back):
        """What a person does at the provider; it remembers who signed in. Ends on a page of ours."""
        tab.wait_for_url(lambda url: url.startswith(self.origin) or url.startswith(back), wait_until="load")
        if tab.locator("input[name=username]").count():
            tab.fill("input[name=username]", "grace")
            tab.fill("input[name=password]", "cobol-1959")
            tab.locator("[type=submit]").first.click()
        tab.wait_for_url(lambda url: url.startswith(back) and "/callback" not in url, wait_until="load")


def settle(browser, provider, kernel):
    """The pages on the way are the provider's and hold scripts that post by themselves: what is looked at is where it ends."""
    tab = browser.tab
    try:
        provider.sign_in(tab, kernel.base)
    except Exception as error:
        raise AssertionError(f"{tab.url}: {tab.inner_text('body')[:1500]}\n{open(kernel.log).read()[-1500:]}") from error
    browser._look()


def organization(browser, kernel, provider, binding):
    browser.open(kernel.base + "/sso/new/saml")
    for label, value in [("Name", f"SimpleSAMLphp {binding}"), ("Provider", "generic"), ("Requests by", binding)]:
        browser.tab.get_by_label(label, exact=False).first.fill(value)
    browser.fill("Metadata address", provider.metadata)
    browser.press("Keep the draft")
    place = browser.tab.url
    document = browser.tab.locator("code").nth(1).inner_text()
    with urllib.request.urlopen(document, timeout=10) as answer:
        provider.know(answer.read().decode())
    browser.tab.get_by_role("button", name="Test it").click()
    browser.tab.wait_for_load_state("load")
    if binding == "redirect":
        assert "The provider answers" in browser.page.text and provider.origin + "/idp" in browser.page.text, browser.page.text
        browser.tab.get_by_role("link", name="Sign in there").click()
    settle(browser, provider, kernel)
    assert "The test worked" in browser.page.text and "State: tested" in browser.page.text, browser.page.text
    return place


def everything(browser, kernel, provider):
    kernel.member("ada@example.com")
    browser.open(kernel.base + "/sign-in")
    browser.fill("Email", "ada@example.com")
    browser.fill("Password", PASSWORD)
    browser.press("Sign in")
    for binding in ("redirect", "post"):
        organization(browser, kernel, provider, binding)
    # A provider that changes what it sends: the administrator is told, on the page.
    place = organization(browser, kernel, provider, "redirect")
    provider.write("metadata/saml20-idp-hosted.php", HOSTED.format(origin=provider.origin, signs="false").replace(
        "nameid-format:persistent", "nameid-format:transient").replace("saml:PersistentNameID', 'attribute' => 'uid'", "saml:TransientNameID'"))
    provider.write("authsources.php", AUTH.replace("'uid' => ['g-1001'], ", ""))
    browser.context.clear_cookies(domain="localhost")
    browser.tab.goto(place)
    browser.tab.get_by_role("button", name="Test it").click()
    browser.tab.wait_for_load_state("load")
    browser.tab.get_by_role("link", name="Sign in there").click()
    settle(browser, provider, kernel)
    assert "The test did not work: misconfigured: the NameID is transient" in browser.page.text, browser.page.text
    provider.write("authsources.php", AUTH)
    provider.configure()

    # Somebody else, at the provider that the operator offers, to the end: a session of ours.
    browser.context.clear_cookies()
    with urllib.request.urlopen(kernel.base + "/api/v1/auth/oauth/saml/metadata", timeout=10) as answer:
        provider.know(answer.read().decode())
    browser.open(kernel.base + "/sign-in")
    browser.tab.get_by_role("link", name="SimpleSAMLphp").click()
    settle(browser, provider, kernel)
    browser.open(kernel.base + "/account/sign-in")
    assert "SimpleSAMLphp" in browser.page.text, browser.page.text
    sessions = kernel.want(200, "GET", "/metrics").body
    assert b'route="auth.oauth_posted"' in sessions


def main():
    provider = SimpleSAML()
    folder = tempfile.mkdtemp(prefix="saml-key-")
    key = os.path.join(folder, "saml.pem")
    subprocess.run(["openssl", "genrsa", "-out", key, "3072"], check=True, capture_output=True)
    faults = []
    try:
        config = (
            "http:\n  limits_enabled: false\nplugins:\n  saml:\n    label: SimpleSAMLphp\n    mail_is_verified: true\n    isolation: process\n"
            f"    private_origin: {provider.origin}\n")
        for scripts in (True, False):
            with Kernel(env={"SAML_METADATA_URL": provider.metadata, "SAML_KEY_FILE": key}, config=config) as kernel:
                kernel.until("SimpleSAMLphp", provider.answers)

                def act(browser, kernel=kernel):
                    if scripts:
                        everything(browser, kernel, provider)
                    else:
                        without_scripts(browser, kernel, provider)
                    browser.leave()

                browser = with_chromium(scripts, None, act)
                faults += [fault for fault in browser.faults if provider.origin not in fault]
    finally:
        provider.close()
        shutil.rmtree(folder, ignore_errors=True)
    for fault in faults:
        print(f"simplesamlphp: {fault}")
    print(f"simplesamlphp: {len(faults)} faults")
    return 1 if faults else 0


def without_scripts(browser, kernel, provider):
    """Every page that posts itself has a button."""
    provider.known = []
    with urllib.request.urlopen(kernel.base + "/api/v1/auth/oauth/saml/metadata", timeout=10) as answer:
        provider.know(answer.read().decode())
    tab = browser.tab
    tab.goto(kernel.base + "/api/v1/auth/oauth/saml/start")
    tab.fill("input[name=username]", "grace")
    tab.fill("input[name=password]", "cobol-1959")
    tab.locator("[type=submit]").first.click()
    tab.wait_for_load_state("load")
    for _ in range(3):
        if tab.url.startswith(kernel.base) and "/callback" not in tab.url:
            break
        if tab.url.startswith(provider.origin):
            # The provider's own page hides its button.
            with tab.expect_navigation(wait_until="load"):
                tab.evaluate("() => HTMLFormElement.prototype.submit.call(document.forms[0])")
        else:
            assert tab.locator("h1").inner_text() == "One moment", tab.inner_text("body")
            browser.press("Continue")
    browser.open(kernel.base + "/account/sign-in")
    assert "SimpleSAMLphp" in browser.page.text, browser.page.text


if __name__ == "__main__":
    sys.exit(main())
