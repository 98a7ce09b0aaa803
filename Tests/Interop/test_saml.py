"""Sign-in through a SAML provider that is pysaml2's: who is let in, and every hostile answer refused with its reason in the log and the same plain page.

saml_stand_in.py is the provider.
"""

import base64
import copy
import hashlib
import hmac
import json
import os
import re
import subprocess
import tempfile

from lxml import etree

from kernel import BUILD, Kernel
from saml_stand_in import ASSERTION, DS, NS, RESPONSE, A, P, Provider, moment
from test_sign_in import Person

START = "/api/v1/auth/oauth/saml/start"
GCM, CBC = "http://www.w3.org/2009/xmlenc11#aes256-gcm", "http://www.w3.org/2001/04/xmlenc#aes128-cbc"
OAEP, PKCS1 = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p", "http://www.w3.org/2001/04/xmlenc#rsa-1_5"
SHA1 = "http://www.w3.org/2000/09/xmldsig#"
passed = 0


def check(what, holds, more=""):
    global passed
    assert holds, f"{what} {more}"
    passed += 1


class Visitor(Person):
    """A browser of another site: what that site makes it post carries no cookie that is SameSite=Lax."""

    def answer(self, start=START):
        status, headers, body = self.go(start)
        assert status == 303, (status, body[:300])
        status, _, page = self.go(headers["Location"])
        assert status == 200, (status, page[:800])
        return self.form(page)

    @staticmethod
    def form(page):
        return re.search(r'action="([^"]*)"', page).group(1), dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page))

    def post(self, action, fields):
        """As a browser does after the other site's page: without cookies first, then from our own page with them."""
        status, headers, page = Person(self.base).go(action, fields)
        if status != 200:
            return status, headers, page
        place, again = self.form(page)
        return self.go(place, {name: value.replace("&#10;", "\n").replace("&#13;", "\r") for name, value in again.items()})

    def come(self, start=START):
        return self.post(*self.answer(start))


def main():
    folder = tempfile.mkdtemp(prefix="saml-key-")
    key = os.path.join(folder, "saml.pem")
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    kernels = []
    provider = Provider(lambda: kernels[0].want(200, "GET", "/api/v1/auth/oauth/saml/metadata").body.decode())
    env = {"SAML_METADATA_URL": provider.origin + "/metadata", "SAML_KEY_FILE": key}
    config = "http:\n  limits_enabled: false\nplugins:\n  saml:\n    label: Stand-in\n    mail_is_verified: true\n    isolation: process\n"
    try:
        with Kernel(env=env, config=config) as kernel:
            kernels.append(kernel)
            flows(kernel, provider)
            hostile(kernel, provider)
            browsers(kernel, provider)
            revoked(kernel, provider)
            log = open(kernel.log).read()
            check("the key stands in no log", open(key).read().splitlines()[5] not in log)
    finally:
        provider.close()
    print(f"saml: {passed} passed, 0 failed")


def flows(kernel, provider):
    offered = kernel.want(200, "GET", "/api/v1/auth/oauth").json["providers"]
    check("what the operator set up is offered", [each["label"] for each in offered] == ["Stand-in"], offered)
    metadata = kernel.call("GET", "/api/v1/auth/oauth/saml/metadata")
    check("our metadata is published as what it is", metadata.headers["Content-Type"] == "application/samlmetadata+xml")
    for what, signs in [("the assertion", (ASSERTION,)), ("the response", (RESPONSE,)), ("both", (ASSERTION, RESPONSE))]:
        for encrypts in (None, (GCM, OAEP), (CBC, OAEP)):
            provider.usual()
            provider.signs, provider.encrypts = signs, encrypts
            person = Visitor(kernel.base)
            status, headers, body = person.come()
            check(f"{what} signed, encrypted {encrypts}: signs in", status == 303 and headers["Location"] == "/start" and person.is_in(),
                  (status, body[:500], refusals(kernel)[-1:]))
    request = provider.asked[-1]
    check("pysaml2 verified the request's signature and read it", request.protocol_binding.endswith(":HTTP-POST") and request.destination == provider.origin + "/sso")
    provider.usual()


def refusals(kernel):
    return [json.loads(line) for line in open(kernel.log) if "A sign-in through a provider was refused" in line]


def refused(kernel, provider, what, reason):
    person = Visitor(kernel.base)
    status, _, body = person.come()
    provider.usual()
    check(f"{what} is refused", status == 403 and not person.is_in(), (status, body[:500], refusals(kernel)[-1:]))
    plain = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body))
    check(f"{what} teaches nothing", "This sign-in could not be completed" in plain and reason not in plain, plain)
    last = refusals(kernel)[-1]
    check(f"the log says why of {what}", reason in json.dumps(last), last)
    # But for the request's id every refusal is one page, to the byte.
    return re.sub(r"[0-9a-f-]{20,}|csrf_token\" value=\"[^\"]*", "", body)


# Ways to change a document. `tree` is the response, before or after it was signed.

def one(tree, path):
    return tree.find(path, NS)


def setting(path, name, value):
    def change(tree):
        element = tree if path == "." else one(tree, path)
        if value is None:
            del element.attrib[name]
        else:
            element.set(name, value)
    return change


def text(path, value):
    def change(tree):
        one(tree, path).text = value
    return change


def both(*changes):
    def change(tree):
        for each in changes:
            each(tree)
    return change


def signed(work):
    """Works on the signed document."""
    def mangle(source):
        return etree.tostring(work(etree.fromstring(source.encode()))).decode()
    return mangle


def evil(element):
    """A copy about somebody else, without its signature, under another id."""
    made = copy.deepcopy(element)
    for signature in made.xpath(".//ds:Signature", namespaces=NS):
        signature.getparent().remove(signature)
    made.set("ID", "evil")
    for name in made.xpath(".//a:NameID", namespaces=NS):
        name.text = "1666"
    return made


def bare(element):
    made = copy.deepcopy(element)
    made.remove(made.find("ds:Signature", NS))
    return made


# Signature wrapping in its eight ways (Somorovsky et al., "On Breaking SAML", 2012; numbered as SAML Raider does).

def xsw1(tree):
    made, signature = evil(tree), copy.deepcopy(tree.find("ds:Signature", NS))
    signature.append(bare(tree))
    made.insert(1, signature)
    return made


def xsw2(tree):
    made = evil(tree)
    made.insert(1, bare(tree))
    made.insert(2, copy.deepcopy(tree.find("ds:Signature", NS)))
    return made


def xsw3(tree):
    assertion = one(tree, "a:Assertion")
    assertion.addprevious(evil(assertion))
    return tree


def xsw4(tree):
    assertion = one(tree, "a:Assertion")
    made = evil(assertion)
    tree.replace(assertion, made)
    made.append(assertion)
    return tree


def xsw5(tree):
    assertion = one(tree, "a:Assertion")
    made = evil(assertion)
    made.insert(1, copy.deepcopy(assertion.find("ds:Signature", NS)))
    tree.replace(assertion, made)
    tree.append(bare(assertion))
    return tree


def xsw6(tree):
    assertion = one(tree, "a:Assertion")
    made, signature = evil(assertion), copy.deepcopy(assertion.find("ds:Signature", NS))
    signature.append(bare(assertion))
    made.insert(1, signature)
    tree.replace(assertion, made)
    return tree


def xsw7(tree):
    extensions = etree.Element(f"{{{P}}}Extensions")
    extensions.append(evil(one(tree, "a:Assertion")))
    tree.insert(1, extensions)
    return tree


def xsw8(tree):
    assertion = one(tree, "a:Assertion")
    made, signature = evil(assertion), copy.deepcopy(assertion.find("ds:Signature", NS))
    etree.SubElement(signature, f"{{{DS}}}Object").append(bare(assertion))
    made.insert(1, signature)
    tree.replace(assertion, made)
    return tree


def strip(tree):
    for signature in tree.xpath("//ds:Signature", namespaces=NS):
        signature.getparent().remove(signature)
    return tree


def hmac_with(certificate):
    """Signed with the public key as a shared secret, as who takes any algorithm with any key would verify it."""
    public = subprocess.run(["openssl", "x509", "-in", certificate, "-pubkey", "-noout"], check=True, capture_output=True).stdout

    def work(tree):
        one(tree, ".//a:NameID").text = "1666"
        assertion, signature = one(tree, "a:Assertion"), one(tree, ".//ds:Signature")
        one(tree, ".//ds:SignatureMethod").set("Algorithm", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256")
        digest = hashlib.sha256(etree.tostring(bare(assertion), method="c14n", exclusive=True)).digest()
        one(tree, ".//ds:DigestValue").text = base64.b64encode(digest).decode()
        info = etree.tostring(signature.find("ds:SignedInfo", NS), method="c14n", exclusive=True)
        one(tree, ".//ds:SignatureValue").text = base64.b64encode(hmac.new(public, info, hashlib.sha256).digest()).decode()
        return tree
    return work


def twice(tree):
    tree.append(copy.deepcopy(one(tree, "a:Assertion")))
    return tree


def renamed(tree):
    one(tree, ".//a:NameID").text = "1666"
    return tree


def doctype(internal, old="Grace", new="Grace"):
    return lambda source: f"<!DOCTYPE r {internal}>" + source.split("?>", 1)[-1].replace(f">{old}<", f">{new}<")


def lies(provider):
    """(what, the reason in the log, what is set at the provider)"""
    data, conditions, statement = ".//a:SubjectConfirmationData", ".//a:Conditions", ".//a:AuthnStatement"
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    info = f"<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{provider.strange.base64}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
    return [
        ("XSW1", "response inside of the response", dict(signs=(RESPONSE,), mangle=signed(xsw1))),
        ("XSW2", "response inside of the response", dict(signs=(RESPONSE,), mangle=signed(xsw2))),
        ("XSW3", "several assertions", dict(mangle=signed(xsw3))), ("XSW4", "several assertions", dict(mangle=signed(xsw4))),
        ("XSW5", "several assertions", dict(mangle=signed(xsw5))), ("XSW6", "several assertions", dict(mangle=signed(xsw6))),
        ("XSW7", "several assertions", dict(mangle=signed(xsw7))), ("XSW8", "several assertions", dict(mangle=signed(xsw8))),
        ("a stripped signature", "nothing in the answer is signed", dict(mangle=signed(strip))),
        ("a changed name", "any certificate", dict(mangle=signed(renamed))),
        ("a key from KeyInfo", "any certificate", dict(signer=provider.strange, info=info)),
        ("SHA-1", "algorithm is not accepted", dict(method=SHA1 + "rsa-sha1")),
        ("SHA-1 in the digest", "digest is not accepted", dict(digest=SHA1 + "sha1")),
        ("HMAC with the public key", "algorithm is not accepted", dict(mangle=signed(hmac_with(provider.key.certificate)))),
        ("a document type", "document type", dict(mangle=doctype(""))),
        ("an entity from a file", "document type", dict(mangle=doctype('[<!ENTITY e SYSTEM "file:///etc/passwd">]', new="&e;"))),
        ("a parameter entity from the network", "document type", dict(mangle=doctype(f'[<!ENTITY % e SYSTEM "{provider.origin}/e"> %e;]'))),
        ("a billion laughs", "document type", dict(mangle=doctype(f'[<!ENTITY l0 "lol">{laughs}]', new="&l9;"))),
        ("a comment in the name", "comment", dict(mangle=lambda source: source.replace(">1001<", ">1001<!-- -->.evil<"))),
        ("a wrong audience", "another audience", dict(change=text(".//a:Audience", "https://evil.example"))),
        ("a wrong recipient", "another recipient", dict(change=setting(data, "Recipient", "https://evil.example"))),
        ("a wrong destination", "another address", dict(change=setting(".", "Destination", "https://evil.example"))),
        ("a wrong request", "another request", dict(change=both(setting(".", "InResponseTo", "_x"), setting(data, "InResponseTo", "_x")))),
        ("a wrong request, signed alone", "another request", dict(change=setting(data, "InResponseTo", "_x"))),
        ("an answer that nobody asked for", "nobody here asked", dict(change=both(setting(".", "InResponseTo", None), setting(data, "InResponseTo", None)))),
        ("an expired assertion", "has expired", dict(change=setting(conditions, "NotOnOrAfter", moment(-90)))),
        ("an assertion of tomorrow", "does not hold yet", dict(change=setting(conditions, "NotBefore", moment(86_400)))),
        ("one that came too late", "came too late", dict(change=setting(data, "NotOnOrAfter", moment(-90)))),
        ("a session that has ended", "session at the provider", dict(change=setting(statement, "SessionNotOnOrAfter", moment(-1)))),
        ("another issuer", "another issuer", dict(change=text("a:Assertion/a:Issuer", "https://evil.example"))),
        ("several assertions", "several assertions", dict(mangle=signed(twice))),
        ("one ID twice", "two elements have the ID", dict(change=lambda tree: one(tree, "a:Assertion").set("ID", tree.get("ID")), signs=(RESPONSE,))),
        ("encrypted with nothing signed inside", "nothing in the answer is signed", dict(signs=(), encrypts=(GCM, OAEP))),
        ("encrypted, and signed by a stranger inside", "any certificate", dict(signer=provider.strange, encrypts=(GCM, OAEP))),
        ("a key under PKCS #1 v1.5", "otherwise than by RSA-OAEP", dict(encrypts=(CBC, PKCS1))),
    ]


def hostile(kernel, provider):
    pages = set()
    for what, reason, settings in lies(provider):
        for name, value in settings.items():
            setattr(provider, name, value)
        pages.add(refused(kernel, provider, what, reason))
    check("every refusal is the same page", len(pages) == 1, len(pages))
    person = Visitor(kernel.base)
    action, fields = person.answer()
    check("the provider's person comes in still", person.post(action, fields)[0] == 303 and person.is_in())
    check("an answer serves once", person.post(action, fields)[0] == 403)
    # The same assertion, in a flow of its own: the request's id is another.
    again, more = person.answer()
    check("nor in another flow", person.post(again, dict(fields, RelayState=more["RelayState"]))[0] == 403)


def browsers(kernel, provider):
    """The answer belongs to the browser that asked."""
    thief, victim = Visitor(kernel.base), Visitor(kernel.base)
    action, fields = thief.answer()
    check("another browser cannot use an answer", victim.post(action, fields)[0] == 403 and not victim.is_in())
    victim.answer()
    check("nor one with a flow of its own", victim.post(action, fields)[0] == 403 and not victim.is_in())
    check("its own browser can", thief.post(action, fields)[0] == 303 and thief.is_in())
    status, _, body = Visitor(kernel.base).go(action.replace(kernel.base, ""), {"RelayState": '"><script>alert(1)</script>', "SAMLResponse": "x"})
    check("what is shown again is text", status == 200 and "<script>alert" not in body and "&quot;&gt;&lt;script&gt;" in body)
    status, _, _ = Visitor(kernel.base).go(action + "?RelayState=x&SAMLResponse=x")
    check("an answer by query is none", status == 403)
    check("an endless body is refused", Visitor(kernel.base).go(action, {"SAMLResponse": "A" * 450_000})[0] == 413)


def revoked(kernel, provider):
    person = Visitor(kernel.base)
    person.come()
    der = base64.b64decode(provider.key.base64)
    spki = subprocess.run(
        f"openssl x509 -inform DER -pubkey -noout | openssl pkey -pubin -outform DER", shell=True, input=der, check=True, capture_output=True).stdout
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(spki).digest()).decode().rstrip("=")
    revoke = [os.path.join(BUILD, "coditectd"), "sessions", "revoke", "--server", kernel.base, "--issued-by", f"saml:{thumbprint}", "--between",
              "2000-01-01T00:00:00Z..2100-01-01T00:00:00Z"]
    ended = subprocess.run(revoke, capture_output=True, text=True, timeout=60)
    check("every session that the provider's key opened is ended", ended.returncode == 0 and not person.is_in(), ended)


if __name__ == "__main__":
    main()
