"""Projects and files on a real server: up and down by curl and urllib, and everything that should not get through.

With no argument over local-files; with `s3` over s3-files, with moto as the bucket.
"""

import concurrent.futures
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

from kernel import PASSWORD, Kernel

PIECE = 5 * 1024 * 1024
passed = 0


def check(claim, holds, *more):
    global passed
    assert holds, f"{claim}: {more}"
    passed += 1


def hash_of(content):
    digests = [hashlib.sha256(content[at:at + PIECE]).digest() for at in range(0, max(1, len(content)), PIECE)]
    return digests[0].hex() if len(digests) == 1 else f"{hashlib.sha256(b''.join(digests)).hexdigest()}-{len(digests)}"


def curl(*arguments, data=None):
    """Status, headers in lower case, body."""
    with tempfile.TemporaryDirectory() as folder:
        body, heads = os.path.join(folder, "body"), os.path.join(folder, "heads")
        command = ["curl", "-sS", "--path-as-is", "-o", body, "-D", heads, "-w", "%{http_code}", "--max-time", "60", *arguments]
        if data is not None:
            command += ["--data-binary", "@-"]
        ran = subprocess.run(command, input=data, capture_output=True)
        text = open(heads, encoding="latin-1").read() if os.path.exists(heads) else ""
        content = open(body, "rb").read() if os.path.exists(body) else b""
        status = int(ran.stdout or 0)
    headers = dict(re.findall(r"^([\w-]+): (.*?)\r?$", text.lower(), re.M))
    return status, headers, content


class Desk:
    def __init__(self, kernel, token):
        self.kernel, self.token = kernel, token

    def want(self, status, method, path, body=None):
        return self.kernel.want(status, method, path, body, token=self.token)

    def call(self, method, path, body=None):
        return self.kernel.call(method, path, body, token=self.token)

    def declare(self, project, path, content, kind="application/octet-stream"):
        body = {"path": path, "content_type": kind, "size_bytes": len(content), "hash": hash_of(content)}
        return self.want(201, "POST", f"/api/v1/projects/{project}/uploads", body).json

    def send(self, upload, content, piece=None):
        url = upload["address"]["url"] + (f"&piece={piece}" if piece else "")
        headers = [f"{name}: {value}" for name, value in upload["address"]["headers"].items()] or ["content-type: application/octet-stream"]
        return curl("-X", "PUT", *(word for head in headers for word in ("-H", head)), url, data=content)

    def store(self, project, path, content, kind="application/octet-stream"):
        upload = self.declare(project, path, content, kind)
        count = -(-len(content) // PIECE) or 1
        if count == 1:
            status, _, body = self.send(upload, content)
            check(f"{path} is taken", status == 200, status, body[:500])
        else:
            with concurrent.futures.ThreadPoolExecutor(3) as pool:
                parts = [(number + 1, content[number * PIECE:(number + 1) * PIECE]) for number in range(count)]
                for status, _, body in pool.map(lambda part: self.send(upload, part[1], part[0]), reversed(parts)):
                    check("a piece is taken", status == 200, status, body[:300])
        done = self.want(200, "POST", f"/api/v1/uploads/{upload['id']}/complete").json
        check(f"{path} is a file", done["state"] == "stored" and done["file"]["hash"] == hash_of(content), done)
        return done["file"]

    def fetch(self, file, *options):
        return curl("-H", f"authorization: Bearer {self.token}", *options, f"{self.kernel.base}/api/v1/files/{file['id']}/content")


def goes_around(desk, project):
    small, large = b"hello, files\n", os.urandom(3 * PIECE + 77)
    file = desk.store(project, "docs/Größe.html", small, "text/html")
    status, headers, body = desk.fetch(file)
    check("what went up comes down", status == 200 and body == small)
    check("as an attachment of no type that is run", headers["content-type"] == "application/octet-stream" and headers["content-disposition"].startswith("attachment"), headers)
    check("under headers that keep it there", headers["x-content-type-options"] == "nosniff" and "sandbox" in headers["content-security-policy"], headers)
    check("with its hash", headers["x-file-hash"] == hashlib.sha256(small).hexdigest(), headers)
    status, headers, body = desk.fetch(file, "-r", "7-11")
    check("a range", status == 206 and body == b"files" and headers["content-range"] == f"bytes 7-11/{len(small)}", status, headers, body)
    check("none behind the end", desk.fetch(file, "-r", "999-")[0] == 416)
    status, headers, _ = desk.fetch(file, "-I")
    check("HEAD says how much", status == 200 and int(headers["content-length"]) == len(small), headers)
    way = desk.want(200, "POST", f"/api/v1/files/{file['id']}/address").json
    status, headers, body = curl(way["url"])
    check("an address gives it without a token", status == 200 and body == small and headers["content-disposition"].startswith("attachment"), status, headers)

    begun = time.monotonic()
    big = desk.store(project, "docs/big.bin", large)
    status, headers, body = desk.fetch(big)
    check("a large file comes down whole, in one answer", status == 200 and body == large and int(headers["content-length"]) == len(large), status, len(body))
    status, _, body = desk.fetch(big, "-r", f"{PIECE - 3}-{PIECE + 2}")
    check("a range over the edge of two pieces", status == 206 and body == large[PIECE - 3:PIECE + 3])
    print(f"files: {len(large) / 1e6:.0f} MB up in pieces and down in {time.monotonic() - begun:.1f} s")
    names = [entry["path"] for entry in desk.want(200, "GET", f"/api/v1/projects/{project}/files?prefix=docs/").json["files"]]
    check("both are listed", names == ["docs/big.bin", "docs/Größe.html"], names)
    desk.store(project, "docs/größe.html", b"second")
    versions = desk.want(200, "GET", f"/api/v1/files/{file['id']}").json["versions"]
    check("the same name is a version", [entry["version"] for entry in versions] == [2, 1], versions)
    check("the first is there still", curl("-H", f"authorization: Bearer {desk.token}", f"{desk.kernel.base}/api/v1/files/{file['id']}/content?version=1")[2] == small)
    return file


def attacks(desk, other, project, file, own):
    kernel = desk.kernel
    for path in ("../../etc/passwd", "/etc/passwd", "a/../../b", "a\0b", "a//b", "C:\\x", "..\\x", "con.txt", "\u2024\u2024/x", "a\uff0fb", "x\u202egpj.exe", "p\u0430ypal", "a/" * 17 + "a", "x" * 300):
        body = {"path": path, "content_type": "text/plain", "size_bytes": 1, "hash": hash_of(b"x")}
        answer = desk.call("POST", f"/api/v1/projects/{project}/uploads", body)
        check(f"{path!r} is no path", answer.status in (400, 422), answer)
    for kind, content in (("image/png", b"<html><script>"), ("image/gif", b"GIF89a" + b"PK\5\6" + bytes(18)), ("application/pdf", b"MZ"), ("text/plain", b"a\0b")):
        upload = desk.declare(project, "trick", content, kind)
        status = desk.send(upload, content)[0]
        if own:
            check(f"no {kind} that is none", status == 422, status)
        else:
            done = desk.call("POST", f"/api/v1/uploads/{upload['id']}/complete")
            check(f"no {kind} that is none", done.status == 422 and done.json["error"] == "file_content_refused", done)
        check("and its upload is gone", desk.call("GET", f"/api/v1/uploads/{upload['id']}").status == 404)
    for method, path, body in (
        ("GET", f"/api/v1/projects/{project}", None), ("GET", f"/api/v1/projects/{project}/files", None), ("GET", f"/api/v1/files/{file['id']}", None),
        ("GET", f"/api/v1/files/{file['id']}/content", None), ("POST", f"/api/v1/files/{file['id']}/address", None), ("DELETE", f"/api/v1/files/{file['id']}", None),
        ("DELETE", f"/api/v1/projects/{project}", None), ("PUT", f"/api/v1/projects/{project}/shares/everyone", {"level": "write"}),
    ):
        check(f"{method} of another tenant's is not found", other.call(method, path, body).status == 404)
    upload = desk.declare(project, "secret", b"secret")
    url = upload["address"]["url"]
    check("another declares nothing there", other.call("POST", f"/api/v1/projects/{project}/uploads", {"path": "a", "content_type": "a/b", "size_bytes": 0, "hash": hash_of(b"")}).status == 404)
    if not own:
        altered = re.sub(r"(X-Amz-Signature=)[0-9a-f]{4}", r"\g<1>0000", url)
        check("the bucket's own address is the store's", "X-Amz-Signature" in url and altered != url, url)
        return
    parts = urllib.parse.urlsplit(url)
    query = dict(urllib.parse.parse_qsl(parts.query))

    def put(change=None, without=None, path=parts.path, method="PUT", data=b"secret"):
        fields = {**query, **(change or {})}
        fields.pop(without, None)
        return curl("-X", method, "-H", "content-type: x/y", f"{kernel.base}{path}?{urllib.parse.urlencode(fields)}", data=data)

    for name in query:
        check(f"without {name} nothing opens", put(without=name)[0] == 403)
        check(f"nor with another {name}", put({name: query[name][:-1] + ("0" if query[name][-1] != "0" else "1")})[0] == 403)
    check("nor by another method", put(method="GET", data=None)[0] == 403)
    check("nor with DELETE", put(method="DELETE", data=None)[0] == 405)
    check("nor for another object", put(path=f"/api/v1/blobs/{file['id']}")[0] == 403)
    check("nor for a later end", put({"expires": str(int(query["expires"]) + 60)})[0] == 403)
    check("nor twice the field", curl("-X", "PUT", f"{url}&bytes=6", data=b"secret")[0] in (400, 422))
    check("one byte too many is refused", put(data=b"secret!")[0] == 413)
    check("one too few as well", put(data=b"secre")[0] == 422)
    check("other bytes as well", put(data=b"terces")[0] == 422)
    check("there is no second piece", put({"piece": "2"})[0] == 403)
    # What is too long is not even read: the answer comes while the body is still to be sent.
    with socket.create_connection(("127.0.0.1", kernel.port), timeout=10) as line:
        forged = parts.path + "?" + urllib.parse.urlencode({**query, "signature": "0" * 64})
        line.sendall(f"PUT {forged} HTTP/1.1\r\nHost: 127.0.0.1:{kernel.port}\r\nContent-Length: 4000000\r\n\r\n".encode())
        check("without a signature no byte is read", b" 403 " in line.recv(200))
    check("and the address still works", put()[0] == 200)
    check("again, with the same answer", put()[0] == 200)
    way = desk.want(200, "POST", f"/api/v1/files/{file['id']}/address").json["url"]
    check("a reading address writes nothing", curl("-X", "PUT", way, data=b"secret")[0] == 403)


def leaves(desk, project, own):
    upload = desk.declare(project, "never", b"never")
    desk.want(204, "DELETE", f"/api/v1/uploads/{upload['id']}")
    if own:
        check("an abandoned upload takes nothing", desk.send(upload, b"never")[0] == 404)
    desk.want(200, "POST", f"/api/v1/projects/{project}/archive")
    answer = desk.call("POST", f"/api/v1/projects/{project}/uploads", {"path": "a", "content_type": "a/b", "size_bytes": 0, "hash": hash_of(b"")})
    check("an archived project takes nothing", answer.status == 409 and answer.json["error"] == "project_not_active", answer)
    desk.want(200, "POST", f"/api/v1/projects/{project}/reopen")
    desk.want(200, "DELETE", f"/api/v1/projects/{project}")
    desk.want(200, "POST", f"/api/v1/projects/{project}/restore")


def killed(desk, project):
    """The server ends in the middle of an upload in pieces; it goes on where it was."""
    content = os.urandom(2 * PIECE + 1)
    upload = desk.declare(project, "killed.bin", content)
    check("the first piece", desk.send(upload, content[:PIECE], 1)[0] == 200)
    desk.kernel.kill()
    desk.kernel.start()
    upload = desk.want(200, "GET", f"/api/v1/uploads/{upload['id']}").json
    check("is there after a kill", upload["came"] == [1], upload["came"])
    for number in (2, 3):
        check("the others follow", desk.send(upload, content[(number - 1) * PIECE:number * PIECE], number)[0] == 200)
    done = desk.want(200, "POST", f"/api/v1/uploads/{upload['id']}/complete").json
    check("and it is whole", desk.fetch(done["file"])[2] == content)


def quota(kernel):
    token = kernel.member("free@example.com")
    kernel.until("the free licence", lambda: kernel.licenses(token))
    desk = Desk(kernel, token)
    desk.want(201, "POST", "/api/v1/projects", {"name": "Only"})
    answer = desk.call("POST", "/api/v1/projects", {"name": "Second"})
    check("the free tier has one project", answer.status == 409 and answer.json == {**answer.json, "error": "project_quota_reached", "limit": 1}, answer)
    return desk


def by_page(kernel, desk, project):
    """A page's script sends a small file into the bucket itself, as the policy of the page lets it, and a large one in pieces through the server."""
    from playwright.sync_api import sync_playwright
    from real_browser import CHROMIUM

    origin = desk.want(200, "GET", f"/api/v1/projects/{project}/uploads").json["origin"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        page, sent, said = browser.new_page(), [], []
        page.on("request", lambda request: request.method == "PUT" and sent.append(request.url.startswith(origin + "/")))
        page.on("console", lambda message: "Content Security Policy" in message.text and said.append(message.text))
        page.goto(kernel.base + "/sign-in")
        page.fill("[name=email]", "ada@example.com")
        page.fill("[name=password]", PASSWORD)
        page.click("main form button")
        page.goto(f"{kernel.base}/projects/{project}")
        for size, ways in ((700_000, [True]), (2 * PIECE + 1, [False] * 3)):
            content, name = os.urandom(size), f"page-{size}.bin"
            sent.clear()
            page.set_input_files("input[type=file]", {"name": name, "mimeType": "application/octet-stream", "buffer": content})
            with page.expect_navigation():
                page.get_by_role("button", name="Upload it").click()
            check("it goes where it should", sent == ways, sent)
            file = next(x for x in desk.want(200, "GET", f"/api/v1/projects/{project}/files").json["files"] if x["path"] == name)
            check("and comes back whole", file["hash"] == hash_of(content) and desk.fetch(file)[2] == content)
        browser.close()
    check("the page's policy was kept", not said, said)


def run(kernel, own):
    with kernel:
        token = kernel.member()
        kernel.paid_license(token)
        desk = Desk(kernel, token)
        project = desk.want(201, "POST", "/api/v1/projects", {"name": "Engine", "summary": "Analytical"}).json["id"]
        other = quota(kernel)
        file = goes_around(desk, project)
        attacks(desk, other, project, file, own)
        killed(desk, project)
        if not own:
            by_page(kernel, desk, project)
        leaves(desk, project, own)
        usage = desk.want(200, "GET", "/api/v1/files/usage").json
        check("bytes are counted", usage["projects"] == 1 and usage["stored_bytes"] > 5 * PIECE, usage)
        log = open(kernel.log).read()
        check("no fault in the log", '"level":"error"' not in log, [line for line in log.splitlines() if '"level":"error"' in line][:3])
        check("no signature in the log", "signature=" not in log)


def main():
    limits = "http:\n  limits_enabled: false\n"
    if "s3" not in sys.argv:
        run(Kernel(config=limits), own=True)
    else:
        import boto3
        from moto.server import ThreadedMotoServer

        os.environ |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing-secret", "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        try:
            host, port = server.get_host_and_port()
            endpoint = f"http://{host}:{port}"
            boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="coditect")
            config = limits + f"projects:\n  file_store: s3-files\nplugins:\n  s3-files:\n    endpoint: {endpoint}\n    bucket: coditect\n"
            run(Kernel(config=config, env={"S3_ACCESS_KEY_ID": "testing", "S3_SECRET_ACCESS_KEY": "testing-secret"}), own=False)
            left = boto3.client("s3", endpoint_url=endpoint).list_objects_v2(Bucket="coditect").get("Contents", [])
            check("the bucket has the files under names of ours", left and all(re.fullmatch(r"[0-9a-f-]{36}/p/[0-9a-f-]{36}/[0-9a-f-]{36}", entry["Key"]) for entry in left), left[:2])
        finally:
            server.stop()
    print(f"files: {passed} passed, 0 failed")


if __name__ == "__main__":
    main()
