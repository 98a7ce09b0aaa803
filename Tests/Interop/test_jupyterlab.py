"""JupyterLab, the real one, as the program of a member's workstation: bought, entered, a cell is run, it rests when nobody comes, and who leaves leaves nothing.
Installs examples/workstations/jupyterlab as its README says; websocket-client comes with it."""

import filecmp
import glob
import http.client
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kernel import ROOT  # noqa: E402
from test_local_workstation import House, running  # noqa: E402

EXAMPLE = os.path.join(ROOT, "examples/workstations/jupyterlab")
PLACE = os.path.join(ROOT, ".venv-jupyterlab")


def installed():
    """As the example's README: a copy of `start`, and an environment beside it."""
    wanted, stamp = os.path.join(EXAMPLE, "requirements.txt"), os.path.join(PLACE, ".installed")
    if not (os.path.exists(stamp) and filecmp.cmp(wanted, stamp, shallow=False)):
        shutil.rmtree(PLACE, ignore_errors=True)
        subprocess.run(["/usr/bin/python3", "-m", "venv", PLACE + "/venv"], check=True)
        subprocess.run([PLACE + "/venv/bin/python3", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", wanted], check=True)
        shutil.copy(wanted, stamp)
    shutil.copy(os.path.join(EXAMPLE, "start"), PLACE)


def asked(way, method, path, token=None, host=None, body=None):
    place, own = way
    line = http.client.HTTPConnection("127.0.0.1", int(place.split(":")[1]), timeout=60)
    headers = {"Host": host or place}
    if token is not False:
        headers["Authorization"] = "token " + (token or own)
    line.request(method, path, body=json.dumps(body) if body is not None else None, headers=headers)
    answer = line.getresponse()
    content = answer.read()
    line.close()
    return answer.status, content


CELL = """
import json, sys, uuid, websocket
port, host, token, kernel, code = sys.argv[1:]
line = websocket.create_connection(f"ws://127.0.0.1:{port}/api/kernels/{kernel}/channels", host=host, header=["Authorization: token " + token], timeout=60)
head = {"msg_id": uuid.uuid4().hex, "username": "", "session": uuid.uuid4().hex, "msg_type": "execute_request", "version": "5.3"}
content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False, "stop_on_error": True}
line.send(json.dumps({"header": head, "parent_header": {}, "metadata": {}, "channel": "shell", "content": content}))
# Answers and output come by two channels of the kernel's, in any order: it is over when both say so.
left = {"answer", "output"}
while left:
    told = json.loads(line.recv())
    if told["parent_header"].get("msg_id") != head["msg_id"]: continue
    if told["msg_type"] == "stream": print(told["content"]["text"], end="")
    if told["msg_type"] == "error": print(told["content"]["ename"])
    if told["msg_type"] == "execute_reply": left.discard("answer")
    if told["msg_type"] == "status" and told["content"]["execution_state"] == "idle": left.discard("output")
"""


def ran(way, kernel, code):
    place, token = way
    command = [PLACE + "/venv/bin/python3", "-c", CELL, place.split(":")[1], place, token, kernel, code]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=120, check=True).stdout


def used(house, owner):
    way = house.enter(owner)
    assert asked(way, "GET", "/api/contents")[0] == 200
    assert asked(way, "GET", "/api/contents", token=False)[0] == 403
    assert asked(way, "GET", "/api/contents", token="0" * 64)[0] == 403
    # A page of somebody else's whose name leads here gets nothing, token or not.
    assert asked(way, "GET", "/api/contents", host="evil.example.com")[0] == 403
    status, page = asked(way, "GET", f"/lab?token={way[1]}", token=False)
    assert status == 200 and b"JupyterLab" in page, status
    print("fine    its pages and its API answer to the token, and to nothing else")

    status, kernel = asked(way, "POST", "/api/kernels", body={"path": ""})
    assert status == 201, kernel
    kernel = json.loads(kernel)["id"]
    assert ran(way, kernel, "print(6 * 7)") == "42\n"
    assert ran(way, kernel, "open('kept.txt', 'w').write('work'); print(open('kept.txt').read())") == "work\n"
    assert ran(way, kernel, f"open({house.data + '/coditect.db'!r})") == "PermissionError\n"
    # What the kernel's Landlock knows: TCP since 6.7, signals since 6.12.
    linux = tuple(int(part) for part in os.uname().release.split(".")[:2])
    if linux >= (6, 12):
        assert ran(way, kernel, f"import os; os.kill({house.kernel.process.pid}, 0)") == "PermissionError\n"
    if linux >= (6, 7):
        assert ran(way, kernel, f"import socket; socket.create_connection(('127.0.0.1', {house.kernel.port}))") == "PermissionError\n"
    command = open(f"/proc/{running(house.data)[1][0]}/cmdline", "rb").read()
    assert way[1].encode() not in command
    print("fine    a notebook's kernel runs cells, keeps files, and sees nothing of the server")
    return way


def main():
    installed()
    house = House(f"plugins:\n  local-workstation:\n    command: {PLACE}/start\n    reads: {PLACE}\n")
    try:
        owner = house.kernel.member()
        house.kernel.paid_license(owner)
        house.reaches("running", owner)
        used(house, owner)

        # Nobody comes: the server that starts an hour later stops it.
        house.kernel.stop(keep=True)
        house.start(3_600)
        owner = house.kernel.login()["access_token"]
        house.reaches("stopped", owner)
        assert running(house.data) == ([], [])
        house.ask("start", owner)
        house.reaches("running", owner)
        assert asked(house.enter(owner), "GET", "/api/contents/kept.txt")[0] == 200
        print("fine    it stopped when nobody used it, and a start brought its files back")

        bob, membership = house.colleague(owner)
        house.reaches("running", bob)
        assert len(house.places()) == 2 and len(running(house.data)[0]) == 2
        # One member's token opens no other's door.
        assert asked(house.enter(bob), "GET", "/api/contents", token=house.enter(owner)[1])[0] == 403
        house.kernel.want(204, "DELETE", f"/api/v1/memberships/{membership}", token=owner)
        house.kernel.until("nothing to be left of Bob's", lambda: len(house.places()) == 1 and len(running(house.data)[0]) == 1, seconds=120)
        assert not os.listdir(house.data + "/workstations/.leaving") and len(glob.glob(house.data + "/workstations/*/*")) == 1
        print("fine    who left left no file and no process")
    finally:
        house.stop()
    assert running(house.data) == ([], [])


if __name__ == "__main__":
    main()
