"""A SAML provider on loopback that is pysaml2's: its metadata, its reading of ours, its requests' signatures, its answers, signed by the xmlsec1 program. It lies where
it is told to.

`Provider.answer(request)` makes the answer to a request as it came; `change` works on the document before it is signed, `mangle` on the signed text.
"""

import base64
import datetime
import os
import shutil
import subprocess
import tempfile
import threading
import urllib.parse
import urllib.request
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

warnings.simplefilter("ignore")
from lxml import etree  # noqa: E402
from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT  # noqa: E402
from saml2.config import IdPConfig  # noqa: E402
from saml2.metadata import entity_descriptor  # noqa: E402
from saml2.saml import NAMEID_FORMAT_PERSISTENT, NameID  # noqa: E402
from saml2.server import Server  # noqa: E402

A, P = "urn:oasis:names:tc:SAML:2.0:assertion", "urn:oasis:names:tc:SAML:2.0:protocol"
DS = "http://www.w3.org/2000/09/xmldsig#"
NS = {"a": A, "p": P, "ds": DS}
ASSERTION, RESPONSE = A + ":Assertion", P + ":Response"
RSA_SHA256, SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2001/04/xmlenc#sha256"
TEMPLATE = """<ds:Signature xmlns:ds="{ds}"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>
<ds:SignatureMethod Algorithm="{method}"/><ds:Reference URI="#{id}"><ds:Transforms><ds:Transform Algorithm="{ds}enveloped-signature"/>
<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/></ds:Transforms><ds:DigestMethod Algorithm="{digest}"/><ds:DigestValue/></ds:Reference>
</ds:SignedInfo><ds:SignatureValue/>{info}</ds:Signature>"""


def moment(seconds):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


class Key:
    def __init__(self, folder, name):
        self.file, self.certificate = os.path.join(folder, name + ".key"), os.path.join(folder, name + ".pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", f"/CN={name}", "-keyout", self.file,
                        "-out", self.certificate], check=True, capture_output=True)

    @property
    def base64(self):
        return "".join(open(self.certificate).read().split("-----")[2].split())


class Provider:
    def __init__(self, sp_metadata):
        """`sp_metadata`: answers the platform's metadata, once it is needed."""
        self.folder = tempfile.mkdtemp(prefix="saml-")
        self.key, self.strange = Key(self.folder, "provider"), Key(self.folder, "stranger")
        self.sp_metadata, self._idp, self.asked = sp_metadata, None, []
        self.person = {"subject": "1001", "mail": "grace@example.com"}
        self.usual()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                place = urllib.parse.urlsplit(self.path)
                if place.path == "/metadata":
                    return self.say(200, provider.metadata(), "application/samlmetadata+xml")
                if place.path == "/sso":
                    form = provider.answer(dict(urllib.parse.parse_qsl(place.query)))
                    fields = "".join(f'<input type="hidden" name="{name}" value="{value}">' for name, value in form["fields"].items())
                    page = f'<form method="post" action="{form["action"]}">{fields}<button>Go on</button></form>'
                    return self.say(200, page, "text/html")
                self.say(404, "", "text/plain")

            def say(self, status, text, kind):
                body = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def usual(self):
        """No lies, and the assertion signed."""
        self.change, self.mangle = lambda tree: None, lambda text: text
        self.signs, self.signer, self.method, self.digest, self.info, self.encrypts = (ASSERTION,), self.key, RSA_SHA256, SHA256, "", None

    def config(self, metadata=None):
        config = IdPConfig()
        config.load({
            "entityid": self.origin + "/metadata", "key_file": self.key.file, "cert_file": self.key.certificate,
            "xmlsec_binary": shutil.which("xmlsec1"), "metadata": {"inline": [metadata]} if metadata else {},
            "service": {"idp": {
                "endpoints": {"single_sign_on_service": [(self.origin + "/sso", BINDING_HTTP_REDIRECT), (self.origin + "/sso", BINDING_HTTP_POST)]},
                "want_authn_requests_signed": True, "policy": {"default": {"lifetime": {"minutes": 5}, "attribute_restrictions": None}},
            }},
        })
        return config

    def metadata(self):
        return str(entity_descriptor(self.config()))

    @property
    def idp(self):
        if self._idp is None:
            self._idp = Server(config=self.config(self.sp_metadata()))
        return self._idp

    def answer(self, query):
        """pysaml2 verifies the request's signature against our metadata, or throws."""
        asked = self.idp.parse_authn_request(
            query["SAMLRequest"], BINDING_HTTP_REDIRECT, relay_state=query["RelayState"], sigalg=query.get("SigAlg"), signature=query.get("Signature"))
        request = asked.message
        self.asked.append(request)
        return {"action": request.assertion_consumer_service_url, "fields": {
            "SAMLResponse": base64.b64encode(self.made(request).encode()).decode(), "RelayState": query["RelayState"]}}

    def made(self, request):
        response = self.idp.create_authn_response(
            {"mail": [self.person["mail"]], "givenName": ["Grace"], "sn": ["Hopper"]}, request.id, request.assertion_consumer_service_url,
            sp_entity_id=request.issuer.text.strip(), name_id=NameID(format=NAMEID_FORMAT_PERSISTENT, text=self.person["subject"]),
            authn={"class_ref": "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"}, sign_response=False, sign_assertion=False)
        tree = etree.fromstring(str(response).encode())
        self.change(tree)
        # The inner one first: the outer covers it.
        if ASSERTION in self.signs:
            tree = self.signed(tree, tree.find("a:Assertion", NS), ASSERTION)
        if self.encrypts:
            self.encrypt(tree)
        if RESPONSE in self.signs:
            tree = self.signed(tree, tree, RESPONSE)
        return self.mangle(etree.tostring(tree).decode())

    def signed(self, tree, element, name):
        template = TEMPLATE.format(ds=DS, method=self.method, digest=self.digest, id=element.get("ID"), info=self.info)
        element.insert(1, etree.fromstring(template))
        source, out = os.path.join(self.folder, "in.xml"), os.path.join(self.folder, "out.xml")
        etree.ElementTree(tree).write(source)
        place = f"/*[@ID='{element.get('ID')}']" if element is tree else f"//*[local-name()='Assertion' and @ID='{element.get('ID')}']"
        subprocess.run(["xmlsec1", "--sign", "--privkey-pem", self.signer.file, "--id-attr:ID", name, "--node-xpath", place + "/*[local-name()='Signature']",
                        "--output", out, source], check=True, capture_output=True)
        return etree.parse(out).getroot()

    def encrypt(self, tree):
        """For the certificate in our metadata, by the xmlsec1 program: `encrypts` is (data, key) as XML Encryption names them."""
        ours = etree.fromstring(self.sp_metadata().encode())
        found = ours.xpath("//*[local-name()='KeyDescriptor' and @use='encryption']//*[local-name()='X509Certificate']")
        certificate, template, plain, out = (os.path.join(self.folder, name) for name in ("enc.pem", "template.xml", "plain.xml", "encrypted.xml"))
        with open(certificate, "w", encoding="ascii") as file:
            file.write("-----BEGIN CERTIFICATE-----\n" + found[0].text + "\n-----END CERTIFICATE-----\n")
        with open(template, "w", encoding="ascii") as file:
            file.write(f"""<xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" xmlns:ds="{DS}" Type="http://www.w3.org/2001/04/xmlenc#Element">
<xenc:EncryptionMethod Algorithm="{self.encrypts[0]}"/><ds:KeyInfo><xenc:EncryptedKey><xenc:EncryptionMethod Algorithm="{self.encrypts[1]}"/>
<ds:KeyInfo><ds:X509Data/></ds:KeyInfo><xenc:CipherData><xenc:CipherValue/></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo>
<xenc:CipherData><xenc:CipherValue/></xenc:CipherData></xenc:EncryptedData>""")
        assertion = tree.find("a:Assertion", NS)
        with open(plain, "wb") as file:
            file.write(etree.tostring(assertion, with_tail=False))
        session = "aes-256" if "256" in self.encrypts[0] else "aes-128"
        subprocess.run(["xmlsec1", "--encrypt", "--pubkey-cert-pem", certificate, "--session-key", session, "--xml-data", plain, "--output", out, template],
                       check=True, capture_output=True)
        holder = etree.SubElement(tree, f"{{{A}}}EncryptedAssertion")
        holder.append(etree.parse(out).getroot())
        tree.replace(assertion, holder)
