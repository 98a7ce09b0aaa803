#!/usr/bin/env python3
"""An older and a newer program over one PostgreSQL database, behind HAProxy, under load: the newer one's migrations are applied while the older one serves, servers
are replaced one after the other, and one is put back to the older program. No request may fail. Then a migration that breaks, which the older program refuses to
serve beside; and the way back on SQLite.

The newer program is this build with more migrations in its bundles, as the next release would bring them. An older build than this one takes its place as the older
program with CODITECT_OLDER=FOLDER; --forward leaves out the ways back, which builds from before decision 0026 refuse.

    test_upgrade.py [--forward]
"""

import glob
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kernel import BUILD, Kernel  # noqa: E402
from test_backup import program  # noqa: E402
from test_many_processes import CONFIG, HAProxy, Load, faults  # noqa: E402
from test_postgres import Cluster  # noqa: E402

# One of each kind of what only adds, on tables that every request touches.
ADDED = {
    "Seats/0900_add_mark": "ALTER TABLE seat_all ADD COLUMN mark TEXT CHECK (length(mark) < 9); CREATE INDEX seat_by_mark ON seat_all (tenant_id, mark);\n"
                           "UPDATE seat_all SET mark = 'old';\n",
    "Identity/0900_add_session_mark": "ALTER TABLE auth_session ADD COLUMN mark TEXT;\n",
    "Licensing/0900_create_mark": "CREATE TABLE license_mark_all (tenant_id BLOB NOT NULL, license_id BLOB NOT NULL, mark TEXT NOT NULL,\n"
                                  "PRIMARY KEY (tenant_id, license_id)) WITHOUT ROWID, STRICT;\n",
    "Composition/0900_create_next": "CREATE TABLE next (code TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID, STRICT;\n",
}
BREAKING = {"Composition/0901_drop_next_breaks": "DROP TABLE next;\n"}


def next_build(folder, before, migrations):
    """A program that is the one before with more migrations."""
    os.mkdir(folder)
    for path in glob.glob(os.path.join(before, "coditect*")) + glob.glob(os.path.join(before, "*.so")):
        name = os.path.join(folder, os.path.basename(path))
        if path.endswith(".resources"):
            shutil.copytree(path, name)
        elif os.path.isfile(path) and (os.access(path, os.X_OK) or path.endswith(".so")):
            try:
                os.link(os.path.realpath(path), name)
            except OSError:
                shutil.copy(path, name)
    for name, text in migrations.items():
        room, file = name.split("/")
        with open(os.path.join(folder, f"coditect_{room}.resources", "Migrations", file + ".sql"), "w", encoding="utf-8") as out:
            out.write(text)
    return folder


def migrate(build, cluster, data, *arguments, code=0):
    command = [os.path.join(build, "coditectd"), "migrate", *arguments, "--data", data]
    env = {**os.environ, "DATABASE_URL": cluster.url("coditect_migrate")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def refused(kernel):
    """What a server says that does not start."""
    try:
        kernel.start()
    except SystemExit:
        with open(kernel.log, encoding="utf-8") as file:
            return file.read()[-3000:]
    raise AssertionError("it started")


def shared(older, newer, newest, folder, goes_back):
    cluster = Cluster()
    folders = [os.path.join(folder, f"node-{n}") for n in range(2)]
    kernels, proxy, load = [], None, None
    try:
        for statement in program("migrate", "roles").strip().split(";\n"):
            cluster.psql(statement.rstrip(";"), database="postgres")
        for path in folders:
            os.mkdir(path, 0o700)
        migrate(older, cluster, folders[0], "up")
        os.makedirs(os.path.join(folders[0], "mailbox"), mode=0o700, exist_ok=True)
        for name in ("keys", "mailbox"):
            os.symlink(os.path.join(folders[0], name), os.path.join(folders[1], name))
        for path in folders:
            kernel = Kernel(data=path, env={"DATABASE_URL": cluster.url("coditect_serve")}, config=CONFIG)
            kernel.build = older
            kernels.append(kernel.start())
        one, two = kernels
        token = one.member()
        license_id = one.paid_license(token, quantity=6)["id"]
        proxy = HAProxy(folder, [x.port for x in kernels])
        load = Load(proxy.port, token, license_id)
        load.go_on(40)

        planned = migrate(newer, cluster, folders[0], "plan")
        assert all(name.split("/")[1] in planned for name in ADDED), planned
        migrate(newer, cluster, folders[0], "up")
        load.go_on(40)
        print(f"ok  {len(ADDED)} migrations of the newer program are applied while two older ones serve")

        def replace(kernel, build):
            kernel.stop(keep=True)
            load.go_on(20)
            kernel.build = build
            kernel.start()
            load.go_on(40)

        replace(one, newer)
        assert two.call("GET", "/api/v1/users/me", token=one.login()["access_token"]).status == 200
        assert one.call("GET", "/api/v1/users/me", token=two.login()["access_token"]).status == 200
        print("ok  an older and a newer one serve together: who signs in at one is known at the other")
        if goes_back:
            replace(one, older)
            replace(one, newer)
            print("ok  a server goes back to the older program on the newer schema, and forth again")
        replace(two, newer)
        load.stop()
        assert not load.failures, (len(load.failures), load.failures[:5], load.answers, faults(kernels))
        assert program("audit", "verify", "--data", folders[0], env={"DATABASE_URL": cluster.url("coditect_serve")}).count("BROKEN") == 0
        print(f"ok  {load.count} requests meanwhile, 0 failed, the slowest took {load.slowest:.2f} s; {load.answers}; every journal is intact")
        if not goes_back:
            return
        assert "an older program" in migrate(older, cluster, folders[0], "up", code=1), "an older program migrated a newer schema"
        for kernel in kernels:
            kernel.stop(keep=True)
        migrate(newest, cluster, folders[0], "up")
        one.build = older
        said = refused(one)
        assert "changed what this program needs" in said, said
        one.build = newest
        one.start()
        print("ok  beside a migration that breaks, the older program does not start and says why; the newest one does")
    finally:
        if load:
            load.stop()
        if proxy:
            proxy.close()
        for kernel in kernels:
            if kernel.process and kernel.process.poll() is None:
                kernel.stop(keep=True)
        cluster.close()


def alone(older, newer, folder):
    data = os.path.join(folder, "sqlite")
    os.mkdir(data, 0o700)
    kernel = Kernel(data=data)
    for step, build in enumerate((older, newer, older)):
        kernel.build = build
        kernel.start()
        if step == 0:
            kernel.member()
        assert kernel.login()["access_token"]
        kernel.stop(keep=True)
    print("ok  a file on SQLite goes to the newer program and back, and its people sign in")


def main():
    goes_back = "--forward" not in sys.argv[1:]
    folder = tempfile.mkdtemp(prefix="upgrade-", dir=os.path.dirname(BUILD))  # beside the build: programs are linked, not copied
    older = os.environ.get("CODITECT_OLDER", BUILD)
    try:
        newer = next_build(os.path.join(folder, "newer"), BUILD, ADDED)
        newest = next_build(os.path.join(folder, "newest"), newer, BREAKING)
        shared(older, newer, newest, folder, goes_back)
        if goes_back:
            alone(older, newer, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
