"""The plugin s3-files beside others: moto as the bucket, botocore as a second signer and as a client of presigned addresses.

The plugin's own tests run the conformance kit over the bucket and write down what they signed; here it is compared, to the byte.
"""

import datetime
import email.utils
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request

import boto3
import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.server import ThreadedMotoServer

ROOT = pathlib.Path(__file__).resolve().parents[2]
MOMENT = datetime.datetime.fromtimestamp(1_795_253_400, datetime.timezone.utc)
passed = 0


def check(claim, holds, *more):
    global passed
    assert holds, f"{claim}: {more}"
    passed += 1


def plugin_tests(endpoint, notes):
    scratch = os.environ.get("CODITECT_PLUGIN_SCRATCH", str(ROOT / ".build-plugins"))
    run = subprocess.run(
        ["swift", "test", "--disable-build-manifest-caching", "--package-path", ROOT / "plugins/s3-files", "--scratch-path", scratch,
         "--disable-xctest", "--filter", "PeerTests"],
        env=os.environ | {"CODITECT_S3_PEER": endpoint, "CODITECT_S3_NOTES": str(notes)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if run.returncode != 0:
        sys.stdout.write("\n".join(line for line in run.stdout.splitlines() if re.search("error|✘|recorded", line))[-4000:])
        raise SystemExit("s3: the plugin's tests beside moto failed")
    clauses = re.search(r"peer\|(\d+) clauses hold", run.stdout)
    check("the kit's clauses hold over moto", clauses and int(clauses[1]) >= 20, run.stdout[-500:])


def same_signatures(notes):
    for name in ("get_current_datetime",):
        if hasattr(botocore.auth, name):
            setattr(botocore.auth, name, lambda remove_tzinfo=True: MOMENT.replace(tzinfo=None) if remove_tzinfo else MOMENT)

    class Frozen(datetime.datetime):
        @classmethod
        def utcnow(cls):
            return MOMENT.replace(tzinfo=None)

        @classmethod
        def now(cls, tz=None):
            return MOMENT.astimezone(tz) if tz else MOMENT.replace(tzinfo=None)

    if hasattr(botocore.auth, "datetime"):
        botocore.auth.datetime = Frozen
    for note in notes:
        credentials = Credentials("testing", "testing-secret", note["token"])
        url = f"https://{note['host']}{note['path']}"
        if note["query"]:
            url += "?" + "&".join(f"{urllib.parse.quote(name, safe='-_.~')}={urllib.parse.quote(value, safe='-_.~')}" for name, value in note["query"])

        class Auth(botocore.auth.S3SigV4Auth):
            def payload(self, request):
                return note["payload"]

            def _should_sha256_sign_payload(self, request):
                return True

        request = AWSRequest(method=note["method"], url=url, headers=dict(note["given"]) | {"host": note["host"]})
        Auth(credentials, "s3", "eu-central-1").add_auth(request)
        check("botocore signs a request as the plugin does", request.headers["Authorization"] == note["headers"]["authorization"],
              note["method"], url, request.headers["Authorization"], note["headers"]["authorization"])
        request = AWSRequest(method=note["method"], url=url, headers=dict(note["given"]) | {"host": note["host"]})
        botocore.auth.S3SigV4QueryAuth(credentials, "s3", "eu-central-1", expires=4_711).add_auth(request)
        theirs = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(request.url).query, keep_blank_values=True))
        ours = dict(urllib.parse.parse_qsl(note["presigned"], keep_blank_values=True))
        check("botocore presigns as the plugin does", theirs == ours, url, theirs, ours)


def addresses(endpoint, notes, s3):
    body = notes["body"].encode()
    with urllib.request.urlopen(urllib.request.Request(notes["put"], body, notes["put_headers"], method="PUT")) as answer:
        check("a presigned address takes a file", answer.status == 200)
    key = urllib.parse.urlsplit(notes["put"]).path.removeprefix("/coditect/")
    found = s3.get_object(Bucket="coditect", Key=key)
    check("boto3 finds it as it was sent", found["Body"].read() == body and found["ContentType"] == "text/html", found)
    check("with its hash", found["Metadata"]["coditect-hash"] == notes["hash"], found["Metadata"])
    with urllib.request.urlopen(notes["get"]) as answer:
        disposition = answer.headers["content-disposition"]
        check("a presigned address gives it to save", answer.read() == body and disposition.startswith("attachment"), disposition)
        name = email.message_from_string(f"Content-Disposition: {disposition}\n\n").get_filename()
        check("under its name", email.utils.collapse_rfc2231_value(name) == "Größe.html", name)


def main():
    os.environ |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing-secret", "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        s3 = boto3.client("s3", endpoint_url=endpoint)
        s3.create_bucket(Bucket="coditect")
        with tempfile.TemporaryDirectory() as folder:
            place = pathlib.Path(folder) / "notes.json"
            plugin_tests(endpoint, place)
            notes = json.loads(place.read_text())
        addresses(endpoint, notes, s3)
        same_signatures(notes["signed"])
    finally:
        server.stop()
    print(f"s3: {passed} checks passed")


main()
