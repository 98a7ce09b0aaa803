#!/usr/bin/env python3
"""A backup beside a running server, and what may befall it: damage, a cut, other keys, an edited journal, kill -9 in the middle. Seals are
computed and opened by Debian's cryptography, from what docs/how-to/backup-and-restore.md says of the form.

    test_backup.py
"""

import hashlib
import hmac
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: E402
from kernel import BUILD, PASSWORD, ROOT, Kernel  # noqa: E402
from test_postgres import Cluster, acquire, migrate  # noqa: E402

CHUNK = 1 << 20


def hkdf(secret, salt, info):
    key = hmac.digest(salt, secret, "sha256")
    return hmac.digest(key, info + b"\x01", "sha256")


def program(*arguments, env=None, code=0, kill_after=None):
    command = [os.path.join(BUILD, "coditectd"), *arguments]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("CODITECT_", "DATABASE_"))}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**clean, **(env or {})})
    if kill_after:
        for line in process.stderr:
            if kill_after in line:
                break
        process.kill()
        process.communicate()
        return ""
    out, said = process.communicate(timeout=300)
    assert process.returncode == code, (arguments, process.returncode, out, said)
    return out if code == 0 else said


def places(kernel_data):
    return ["--data", kernel_data, "--policies", os.path.join(ROOT, "policies"), "--plugins", os.path.join(BUILD, "plugins")]


def backup(data, folder, *more, env=None, code=0, kill_after=None):
    return program("backup", *places(data), "--to", folder, *more, env=env, code=code, kill_after=kill_after).strip()


class Shop:
    """One customer with seats: what a restored server must know of him."""

    def __init__(self, kernel):
        self.kernel = kernel
        self.token = kernel.member()
        self.license = kernel.paid_license(self.token, quantity=7)["id"]
        assert acquire(kernel, self.token, self.license, "1" * 64).status == 200
        kernel.want(200, "GET", "/api/v1/users/me", token=self.token)

    def check(self, data, env=None):
        """A server over what was restored: sessions are over, everything else stands."""
        with Kernel(data=data, env=env) as kernel:
            assert kernel.call("GET", "/api/v1/users/me", token=self.token).status == 401
            token = kernel.login()["access_token"]
            assert kernel.want(200, "GET", "/api/v1/users/me", token=token).json["first_name"] == "Ada"
            assert [x["tier"] for x in kernel.licenses(token)].count("team") == 1
            # The seat that was held then is held now; all the others are free, and not one more.
            granted = [acquire(kernel, token, self.license, f"{n:064x}").status for n in range(20, 30)]
            assert granted.count(200) == 6 and set(granted) == {200, 429}, granted
            kernel.until("the sale's jobs", lambda: kernel.call("GET", "/health/ready").status == 200)
        lines = program("audit", "verify", "--data", data, env=env)
        assert "BROKEN" not in lines and "platform" in lines


def sealed_files(folder, master):
    manifest = open(os.path.join(folder, "manifest.json"), "rb").read()
    seal = hmac.digest(hkdf(master, b"coditect master key v1", b"backup manifest"), manifest, "sha256").hex()
    assert open(os.path.join(folder, "manifest.seal")).read().strip() == seal, "the seal is another than the page says"
    return json.loads(manifest)


def reseal(folder, manifest, master):
    text = json.dumps(manifest).encode()
    open(os.path.join(folder, "manifest.json"), "wb").write(text)
    code = hmac.digest(hkdf(master, b"coditect master key v1", b"backup manifest"), text, "sha256").hex()
    open(os.path.join(folder, "manifest.seal"), "w").write(code + "\n")


def opened(path, key):
    raw = open(path, "rb").read()
    assert raw[:8] == b"CDTSEAL1"
    head = raw[:40]
    name = os.path.basename(path).encode()
    cipher = AESGCM(hkdf(key, head[8:], b"coditect stream: " + name))
    out, at, number = [], 40, 0
    while True:
        box = raw[at:at + CHUNK + 28]
        at += len(box)
        last = at >= len(raw)
        assert box[:12] == number.to_bytes(8, "big") + bytes([0, 0, 0, 1 if last else 0])
        out.append(cipher.decrypt(box[:12], box[12:], head))
        number += 1
        if last:
            return b"".join(out)


def refused(backup_folder, master_file, saying, *more, code=65, target=None, env=None):
    with tempfile.TemporaryDirectory() as folder:
        place = target or os.path.join(folder, "data")
        before = sorted(os.listdir(place)) if target else None
        said = program("restore", backup_folder, *places(place), "--master-key", master_file, *more, code=code, env=env)
        assert saying in said, (saying, said)
        # Nothing half done is left, here or beside.
        assert target or os.listdir(folder) == [], os.listdir(folder)
        assert before is None or sorted(os.listdir(place)) == before


def embedded(folder):
    with Kernel() as kernel:
        shop = Shop(kernel)
        data = kernel.data
        master_file = os.path.join(folder, "master.key")
        shutil.copy(os.path.join(data, "keys", "master.key"), master_file)
        master = bytes.fromhex(open(master_file).read())
        store, stop = os.path.join(folder, "backups"), threading.Event()

        def write():
            while not stop.is_set():
                acquire(kernel, shop.token, shop.license, "1" * 64)

        writer = threading.Thread(target=write)
        writer.start()
        made = backup(data, store)
        stop.set()
        writer.join()
        names = sorted(os.listdir(made))
        assert names == ["database", "files.tar", "manifest.json", "manifest.seal", "policies.tar"], names
        manifest = sealed_files(made, master)
        for piece in manifest["pieces"]:
            found = hashlib.sha256(open(os.path.join(made, piece["name"]), "rb").read()).hexdigest()
            assert found == piece["sha256"]
        assert sqlite3.connect(os.path.join(made, "database")).execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert any(x["id"] == "sandbox" for x in manifest["plugins"])
        print("ok  a backup under writes is one sound file of SQLite's, and its seal is what the page says")

        keys = os.path.join(store, "keys", os.listdir(os.path.join(store, "keys"))[0])
        with tarfile.open(os.path.join(keys, "keys.tar")) as archive:
            assert not any("master.key" in x for x in archive.getnames()), archive.getnames()
        for base, _, files in os.walk(store):
            for name in files:
                raw = open(os.path.join(base, name), "rb").read()
                assert master not in raw and master.hex().encode() not in raw and PASSWORD.encode() not in raw, (base, name)
                if name == "database":
                    assert b"ada@example.com" not in raw, "a mail address stands in the database in clear"
        print("ok  neither master key nor password is in it")

        target = os.path.join(folder, "restored")
        said = program("restore", made, *places(target), "--master-key", master_file)
        assert "all intact" in said and "are ended" in said, said
        print("ok  restored: " + said.splitlines()[1])
        first = os.path.join(target, "policies-as-backed-up", "init.lua")
        assert open(first).read() == open(os.path.join(ROOT, "policies", "init.lua")).read()

        # What may befall it.
        refused(made, master_file, "is not empty", target=target)
        other = os.path.join(folder, "other.key")
        with open(os.open(other, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write("ab" * 32)
        refused(made, other, "another master key")
        for name in ("database", "files.tar", "manifest.json"):
            path = os.path.join(made, name)
            raw = open(path, "rb").read()
            open(path, "wb").write(raw[: len(raw) // 2] + bytes([raw[len(raw) // 2] ^ 1]) + raw[len(raw) // 2 + 1:])
            refused(made, master_file, "was changed")
            if name != "manifest.json":
                open(path, "wb").write(raw[: len(raw) // 2])
                refused(made, master_file, "is cut")
                os.unlink(path)
                refused(made, master_file, "is missing")
            open(path, "wb").write(raw)
        newer = dict(manifest, migrations=manifest["migrations"] + [{"path": "seats/9999_from_tomorrow", "sha256": "ab" * 32}])
        reseal(made, newer, master)
        refused(made, master_file, "not part of this program")
        reseal(made, dict(manifest, format=2), master)
        refused(made, master_file, "newer form")
        reseal(made, dict(manifest, made_at="2099-01-01T00:00:00Z"), master)
        refused(made, master_file, "older than the backup")
        reseal(made, manifest, master)
        # An entry edited in the copy, under a manifest that says so: only the journal itself can tell.
        path = os.path.join(made, "database")
        raw = open(path, "rb").read()
        edit = sqlite3.connect(path)
        guard = edit.execute("SELECT sql FROM sqlite_schema WHERE name = 'journal_entry_keeps_values'").fetchone()[0]
        edit.execute("DROP TRIGGER journal_entry_keeps_values")
        count = edit.execute("UPDATE journal_entry_all SET subject = subject || 'x' WHERE action = 'license.issued'").rowcount
        assert count > 0
        edit.execute(guard)
        edit.commit()
        edit.close()
        edited = open(path, "rb").read()
        lie = [dict(x, bytes=len(edited), sha256=hashlib.sha256(edited).hexdigest()) if x["name"] == "database" else x for x in manifest["pieces"]]
        reseal(made, dict(manifest, pieces=lie), master)
        refused(made, master_file, "is broken")
        open(path, "wb").write(raw)
        reseal(made, manifest, master)
        print("ok  damaged, cut, incomplete, foreign, newer and with an edited journal: each refused by its own sentence, and nothing is left")

        secret = os.path.join(folder, "backup.key")
        with open(os.open(secret, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write("cd" * 32 + "\n")
        sealed = backup(data, store, "--key", secret)
        assert len(os.listdir(os.path.join(store, "keys"))) == 1, "older keys stay"
        assert opened(os.path.join(sealed, "database"), bytes.fromhex("cd" * 32))[:16] == b"SQLite format 3\0"
        refused(sealed, master_file, "give --key")
        refused(sealed, master_file, "does not open", "--key", other)
        again = os.path.join(folder, "again")
        program("restore", sealed, *places(again), "--master-key", master_file, "--key", secret)
        print("ok  sealed under the operator's key: opened by another's AES-GCM, and by no other key")

        backup(data, store, kill_after="files")
        # The earlier backups are as they were, and the next attempt clears away what the killed one left.
        backup(data, store)
        assert not [x for x in os.listdir(store) if x.endswith(".part")]
        third = os.path.join(folder, "third")
        program("restore", made, "--keys", newest(store), *places(third), "--master-key", master_file, kill_after="files")
        assert not os.path.exists(third)
        program("restore", made, "--keys", newest(store), *places(third), "--master-key", master_file)
        assert not [x for x in os.listdir(folder) if "restoring" in x]
        print("ok  killed in the middle of either: nothing half stands there, and the next attempt succeeds")
    shop.check(third)
    print("ok  a server over the restored directory: the person, the licence, the seats, and no session of before")


def newest(store):
    folder = os.path.join(store, "keys")
    return os.path.join(folder, max(x for x in os.listdir(folder) if not x.startswith(".")))


def shared(folder):
    cluster = Cluster()
    data = os.path.join(folder, "pg-data")
    os.mkdir(data, 0o700)
    try:
        roles = program("migrate", "roles")
        for statement in roles.strip().split(";\n"):
            cluster.psql(statement.rstrip(";"), database="postgres")
        cluster.psql("CREATE ROLE coditect_backup LOGIN BYPASSRLS IN ROLE pg_read_all_data", database="postgres")
        cluster.psql("GRANT CONNECT ON DATABASE coditect TO coditect_backup", database="postgres")
        migrate(cluster, data, "coditect_migrate", "up")
        serve = {"DATABASE_URL": cluster.url("coditect_serve")}
        with Kernel(data=data, env=serve) as kernel:
            shop = Shop(kernel)
            store = os.path.join(folder, "pg-backups")
            made = backup(data, store, env={"DATABASE_URL": cluster.url("coditect_backup")})
            backup(data, store + "-2", env={"DATABASE_URL": cluster.url("coditect_serve")}, code=1)
        master_file = os.path.join(data, "keys", "master.key")
        target = os.path.join(folder, "pg-restored")
        full = {"DATABASE_URL": cluster.url("postgres")}
        refused(made, master_file, "is not empty", env=full)
        said = program("restore", made, *places(target), "--master-key", master_file, code=65)
        assert "DATABASE_URL" in said, said
        for text in roles.strip().split(";\n"):
            if "DATABASE" in text:
                cluster.psql(text.rstrip(";").replace('"coditect"', '"second"'), database="postgres")
        assert "all intact" in program(
            "restore", made, *places(target), "--master-key", master_file, env={"DATABASE_URL": cluster.url("postgres", "second")})
        shop.check(target, env={"DATABASE_URL": cluster.url("coditect_serve", "second")})
        print("ok  PostgreSQL: dumped by a login that only reads, restored into an empty database, and served by the login of servers")
    finally:
        cluster.close()


def main():
    folder = tempfile.mkdtemp(prefix="backups-")
    try:
        embedded(folder)
        shared(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
