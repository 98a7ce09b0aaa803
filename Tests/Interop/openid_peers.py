"""OpenID providers of others, from Debian, each on loopback over a folder of its own: LemonLDAP::NG (Perl) and Glewlwyd (C)."""

import gzip
import http.cookiejar
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT, SECRET = "platform-1", "peer-client-secret-4711"


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def key_pair():
    key = rsa.generate_private_key(65537, 2048)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    return private, key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


class Peer:
    process = None

    def wait(self, url, log):
        for _ in range(300):
            try:
                with urllib.request.urlopen(url, timeout=10):
                    return
            except (urllib.error.URLError, OSError):
                assert self.process.poll() is None, f"{self.name} ended:\n{open(log).read()[-3000:]}"
                time.sleep(0.1)
        raise AssertionError(f"{self.name} does not answer at {url}:\n{open(log).read()[-3000:]}")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __exit__(self, *_):
        self.stop()


class LemonLDAP(Peer):
    """Its portal under Plack's own server, with the users that it brings for demonstrations."""

    name, user, password, email = "LemonLDAP::NG", "dwho", "dwho", "dwho@badwolf.org"

    def __init__(self, folder, redirect):
        self.folder, self.port, self.redirect, self.generation = folder, free_port(), redirect, 0
        self.issuer = f"http://127.0.0.1:{self.port}"

    def configure(self):
        """The next configuration, with new keys."""
        self.generation += 1
        private, public = key_pair()
        here = lambda *names: os.path.join(self.folder, *names)
        configuration = {
            "cfgNum": self.generation, "cfgAuthor": "test", "cfgDate": str(int(time.time())), "cfgVersion": "2.16.1", "authentication": "Demo", "userDB": "Same",
            "passwordDB": "Demo", "registerDB": "Null", "portal": self.issuer + "/", "domain": "127.0.0.1", "cookieName": "lemonldap", "securedCookie": 0, "timeout": 72000,
            "demoExportedVars": {"cn": "cn", "mail": "mail", "uid": "uid"}, "exportedVars": {}, "macros": {"_whatToTrace": "$uid"}, "whatToTrace": "_whatToTrace",
            "globalStorage": "Apache::Session::File", "globalStorageOptions": {"Directory": here("sessions"), "LockDirectory": here("sessions", "lock"), "generateModule": "Lemonldap::NG::Common::Apache::Session::Generate::SHA256"},
            "persistentStorage": "Apache::Session::File", "persistentStorageOptions": {"Directory": here("psessions"), "LockDirectory": here("psessions", "lock")},
            "localSessionStorage": "Cache::FileCache", "localSessionStorageOptions": {"cache_depth": 3, "cache_root": here("cache"), "default_expires_in": 600, "directory_umask": "007", "namespace": "s"},
            "locationRules": {f"127.0.0.1:{self.port}": {"default": "accept"}}, "exportedHeaders": {}, "loginHistoryEnabled": 0, "captcha_mail_enabled": 0, "captcha_register_enabled": 0, "captcha_login_enabled": 0, "portalSkin": "bootstrap", "cspFormAction": "*",
            "issuerDBOpenIDConnectActivation": 1, "oidcServiceMetaDataIssuer": self.issuer, "oidcServiceIgnoreScopeForClaims": 1,
            "oidcServicePrivateKeySig": private, "oidcServicePublicKeySig": public, "oidcServiceKeyIdSig": f"key-{self.generation}",
            "oidcRPMetaDataOptions": {"platform": {
                "oidcRPMetaDataOptionsClientID": CLIENT, "oidcRPMetaDataOptionsClientSecret": SECRET, "oidcRPMetaDataOptionsRedirectUris": self.redirect,
                "oidcRPMetaDataOptionsIDTokenSignAlg": "RS256", "oidcRPMetaDataOptionsRequirePKCE": 1, "oidcRPMetaDataOptionsBypassConsent": 0,
                "oidcRPMetaDataOptionsIDTokenForceClaims": 1, "oidcRPMetaDataOptionsUserIDAttr": "uid", "oidcRPMetaDataOptionsDisplayName": "The platform",
            }},
            "oidcRPMetaDataExportedVars": {"platform": {"email": "mail", "name": "cn", "email_verified": "proved;bool;auto"}},
            "oidcRPMetaDataMacros": {"platform": {"proved": "1"}},
        }
        with open(here("conf", f"lmConf-{self.generation}.json"), "w", encoding="utf-8") as file:
            json.dump(configuration, file)
        return public

    def start(self):
        here = lambda *names: os.path.join(self.folder, *names)
        for name in ("conf", "sessions/lock", "psessions/lock", "cache"):
            os.makedirs(here(name), exist_ok=True)
        if not self.generation:
            self.configure()
        with open(here("llng.ini"), "w", encoding="utf-8") as file:
            file.write(
                f"[all]\nlogLevel = notice\ncheckTime = 1\nlogger = Lemonldap::NG::Common::Logger::Std\nuserLogger = Lemonldap::NG::Common::Logger::Std\n"
                f"[configuration]\ntype = File\ndirName = {here('conf')}\n[portal]\nstaticPrefix = /static\ntemplateDir = /usr/share/lemonldap-ng/portal/templates\n"
                "languages = en\n[handler]\n")
        with open(here("portal.psgi"), "w", encoding="utf-8") as file:
            file.write(
                "use Plack::Builder;\nuse Lemonldap::NG::Portal::Main;\nmy $portal = Lemonldap::NG::Portal::Main->run({});\nbuilder {\n"
                "  enable 'Static', path => qr{^/static/}, root => '/usr/share/lemonldap-ng/portal/htdocs';\n  $portal;\n};\n")
        self.log = here("portal.log")
        self.process = subprocess.Popen(
            ["plackup", "-E", "deployment", "-s", "HTTP::Server::PSGI", "--host", "127.0.0.1", "--port", str(self.port), here("portal.psgi")],
            env={**os.environ, "LLNG_DEFAULTCONFFILE": here("llng.ini"), "LC_ALL": "C.UTF-8"}, stdout=subprocess.DEVNULL, stderr=open(self.log, "a"), cwd=self.folder)
        self.wait(self.issuer + "/.well-known/openid-configuration", self.log)
        return self

    __enter__ = start

    def rotate(self):
        """New keys, and the old ones gone."""
        self.configure()
        self.stop()
        self.start()

    def sign_in(self, tab):
        """At its page: name and password where it asks, and consent where it asks."""
        if tab.locator("input[name=user]").count():
            tab.fill("input[name=user]", self.user)
            tab.fill("input[name=password]", self.password)
            tab.locator("form:has(input[name=password]) button[type=submit]").first.click()
            tab.wait_for_load_state()
        if tab.url.startswith(self.issuer):
            tab.locator("form:has(input[name=confirm]) button.positive, button.btn-success").first.click()
            tab.wait_for_load_state()

    def sign_out(self, tab):
        tab.goto(self.issuer + "/?logout=1")
        tab.wait_for_load_state()

    def asks(self, tab):
        return tab.url.startswith(self.issuer) and tab.locator("input[name=password]").count() > 0


class Glewlwyd(Peer):
    """With its own web pages, over SQLite."""

    name, user, password, email = "Glewlwyd", "amy", "a girl who waited 12", "amy@leadworth.example"
    shared = "/usr/share/glewlwyd/webapp"

    def __init__(self, folder, redirect):
        self.folder, self.port, self.redirect, self.generation = folder, free_port(), redirect, 0
        self.base = f"http://127.0.0.1:{self.port}"
        self.issuer = self.base + "/api/oidc"

    def start(self):
        here = lambda *names: os.path.join(self.folder, *names)
        if not os.path.exists(here("glewlwyd.db")):
            with gzip.open("/usr/share/doc/glewlwyd/database/init.sqlite3.sql.gz", "rt") as file, sqlite3.connect(here("glewlwyd.db")) as database:
                database.executescript(file.read())
            # Debian's page names a folder where its configuration should be.
            shutil.copytree(self.shared, here("webapp"), ignore=lambda *_: ["config.json"])
            shutil.copy("/etc/glewlwyd/config-2.7.json/config.json" if os.path.exists("/etc/glewlwyd/config-2.7.json/config.json") else "/usr/share/glewlwyd/templates/config.json", here("webapp", "config.json"))
        types = {".html": "text/html", ".css": "text/css", ".js": "application/javascript", ".json": "application/json", ".png": "image/png", ".ico": "image/x-icon", ".woff2": "font/woff2", ".woff": "font/woff", ".ttf": "font/ttf"}
        with open(here("glewlwyd.conf"), "w", encoding="utf-8") as file:
            file.write(
                f'port={self.port}\nbind_address="127.0.0.1"\nexternal_url="{self.base}"\nlogin_url="login.html"\napi_prefix="api"\nlog_mode="file"\nlog_level="INFO"\n'
                f'log_file="{here("glewlwyd.log")}"\ncookie_secure=0\nsession_expiration=2419200\nsession_key="GLEWLWYD2_SESSION_ID"\nadmin_scope="g_admin"\nprofile_scope="g_profile"\n'
                'user_module_path="/usr/lib/glewlwyd/user"\nclient_module_path="/usr/lib/glewlwyd/client"\nuser_auth_scheme_module_path="/usr/lib/glewlwyd/scheme"\n'
                f'plugin_module_path="/usr/lib/glewlwyd/plugin"\nuse_secure_connection=false\nsecure_connection_key_file="none"\nsecure_connection_pem_file="none"\nhash_algorithm="SHA512"\nstatic_files_path="{here("webapp")}/"\n'
                f'database = {{ type = "sqlite3"; path = "{here("glewlwyd.db")}"; }};\n'
                "static_files_mime_types = (" + ", ".join(f'{{ extension = "{k}"; mime_type = "{v}"; }}' for k, v in types.items()) + ")\n")
        self.log = here("out.log")
        self.process = subprocess.Popen(["glewlwyd", "--config-file=" + here("glewlwyd.conf")], stdout=open(self.log, "a"), stderr=subprocess.STDOUT, cwd=self.folder)
        self.wait(self.base + "/config", self.log)
        if not self.generation:
            self.set_up()
        return self

    __enter__ = start

    def call(self, method, path, body=None):
        request = urllib.request.Request(self.base + "/api" + path, data=json.dumps(body).encode() if body is not None else None, method=method, headers={"Content-Type": "application/json"})
        try:
            with self.opener.open(request, timeout=30) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read()[:800]}") from error

    def parameters(self):
        self.generation += 1
        private, public = key_pair()
        return {
            "iss": self.issuer, "jwt-type": "rsa", "jwt-key-size": "256", "key": private, "cert": public, "access-token-duration": 3600, "refresh-token-duration": 1209600, "code-duration": 600,
            "refresh-token-rolling": True, "allow-non-oidc": False, "auth-type-code-enabled": True, "auth-type-token-enabled": False, "auth-type-id-token-enabled": True, "auth-type-none-enabled": False,
            "auth-type-password-enabled": False, "auth-type-client-enabled": False, "auth-type-refresh-enabled": True, "auth-type-device-enabled": False, "allowed-scope": ["openid", "email", "profile"],
            "scope": [], "pkce-allowed": True, "pkce-method-plain-allowed": False, "pkce-required": False, "jwks-show": True, "default-kid": f"key-{self.generation}", "secret-type": "global", "subject-type": "public",
            "name-claim": "mandatory", "name-claim-scope": [], "email-claim": "mandatory", "email-claim-scope": [], "scope-claim": "no", "scope-claim-scope": [], "address-claim": {"type": "no"},
            "claims": [{"name": "email_verified", "user-property": "verified", "type": "boolean", "boolean-value-true": "yes", "boolean-value-false": "no", "mandatory": True, "on-demand": False, "scope": []}],
            "additional-parameters": [], "request-parameter-allow": False, "oauth-par-allowed": False, "encrypt-out-token-allow": False, "session-management-allowed": False,
        }

    def set_up(self):
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
        self.call("POST", "/auth/", {"username": "admin", "password": "password"})
        module = json.loads(self.call("GET", "/mod/user/database"))
        module["parameters"]["data-format"] = {**module["parameters"].get("data-format", {}), "verified": {"multiple": False, "read": True, "write": True, "profile-read": False, "profile-write": False}}
        self.call("PUT", "/mod/user/database", module)
        self.call("PUT", "/mod/user/database/reset", {})
        scope = lambda name: {"name": name, "display_name": name, "description": name, "password_required": True, "password_max_age": 0, "scheme": {}}
        for name in ("email", "profile"):
            self.call("POST", "/scope/", scope(name))
        self.call("PUT", "/scope/openid", scope("openid"))
        self.call("POST", "/mod/plugin/", {"module": "oidc", "name": "oidc", "display_name": "OpenID", "parameters": self.parameters()})
        self.call("POST", "/client/?source=database", {
            "client_id": CLIENT, "name": "The platform", "confidential": True, "client_secret": SECRET, "redirect_uri": [self.redirect], "authorization_type": ["code"], "enabled": True,
            "token_endpoint_auth_method": ["client_secret_basic", "client_secret_post"], "scope": [],
        })
        self.call("POST", "/user/?source=database", {"username": self.user, "password": self.password, "name": "Amy Pond", "email": self.email, "verified": "yes", "enabled": True, "scope": ["openid", "email", "profile", "g_profile"]})

    def rotate(self):
        plugin = json.loads(self.call("GET", "/mod/plugin/oidc"))
        plugin["parameters"] = self.parameters()
        self.call("PUT", "/mod/plugin/oidc", plugin)
        self.call("PUT", "/mod/plugin/oidc/reset", {})

    def sign_in(self, tab):
        """Its page is a program: name, password and consent, each where it asks."""
        for _ in range(6):
            if not tab.url.startswith(self.base):
                return
            tab.wait_for_selector("#username, #password, #buttonContinue, button.btn-success, button.btn-primary")
            tab.wait_for_timeout(300)
            if tab.locator("#username").count():
                tab.fill("#username", self.user)
            if tab.locator("#password").count():
                tab.fill("#password", self.password)
                tab.locator("form button[type=submit], #loginBut, button.btn-primary").first.click()
            elif tab.get_by_text("Continue", exact=False).count():
                # Each press is sent and drawn anew.
                for _ in range(tab.locator("input[type=checkbox]:not(:checked):enabled").count()):
                    tab.locator("input[type=checkbox]:not(:checked):enabled").first.click()
                    tab.wait_for_timeout(400)
                tab.get_by_role("button", name="Continue").first.click()
            tab.wait_for_timeout(700)

    def sign_out(self, tab):
        tab.request.delete(self.base + "/api/auth/")

    def asks(self, tab):
        if not tab.url.startswith(self.base):
            return False
        tab.wait_for_selector("#username, #password")
        return True
