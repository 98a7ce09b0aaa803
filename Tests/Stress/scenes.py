"""What befalls the world, one thing after the other. Each scene says what it was, and when its cause was over: from there on the time is counted."""

import os
import signal
import struct
import subprocess
import time

TERM = 60  # of a lease, in seconds


def stop_process(process, how):
    """To a server's whole family: PostgreSQL's processes, too."""
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False).stdout.split()
    for pid in [process.pid, *map(int, children)]:
        try:
            os.kill(pid, how)
        except ProcessLookupError:
            pass


def redis_kept(world):
    world.redis.kill()
    world.stopping.wait(2)
    world.redis.start()
    return "kill -9 of Redis, with persistence", time.monotonic()


def redis_lost(world):
    world.redis.kill()
    world.redis.forget()
    world.redis.start()
    return "kill -9 of Redis, and all that it knew", time.monotonic()


def redis_still(world):
    world.redis.process.send_signal(signal.SIGSTOP)
    world.stopping.wait(6)
    world.redis.process.send_signal(signal.SIGCONT)
    return "Redis stands still for 6 s", time.monotonic()


def server_killed(world):
    kernel, began = world.kernels[0], time.monotonic()
    world.seen.excuse(0, began, began + 600)
    kernel.kill()
    world.stopping.wait(2)
    kernel.start()
    with world.seen.lock:
        world.seen.excused[-1] = (0, began, time.monotonic())
    return "kill -9 of a server, and its start", time.monotonic()


def server_frozen(world):
    """Longer than a lease, and with transactions open: what it holds in the database must not hold up the other one."""
    kernel, began = world.kernels[1], time.monotonic()
    world.seen.excuse(1, began, began + 600)
    lanes = "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE c.relname LIKE 'lane%' AND l.granted"
    for _ in range(40):
        # Without answers it stops wherever it is: wanted is one that holds a tenant's lane.
        world.lines[2].hold_answers()
        world.stopping.wait(0.2)
        held = world.database.psql(lanes)
        if held != "0":
            world.stopping.wait(0.2)
            held = world.database.psql(lanes)
            if held != "0":
                break
        world.lines[2].go()
        world.stopping.wait(0.3)
    kernel.process.send_signal(signal.SIGSTOP)
    world.lines[2].go()
    world.avoided = 1
    print(f"chaos: lanes that the server holds as it is stopped: {held}", flush=True)
    world.stopping.wait(TERM + 5)
    kernel.process.send_signal(signal.SIGCONT)
    now, world.avoided = time.monotonic(), None
    with world.seen.lock:
        world.seen.excused[-1] = (1, began, now + 1)
    return f"a server stands still for {TERM + 5} s, longer than a lease", now


def database_still(world):
    stop_process(world.database.server, signal.SIGSTOP)
    world.stopping.wait(12)
    stop_process(world.database.server, signal.SIGCONT)
    return "PostgreSQL stands still for 12 s", time.monotonic()


def database_restarted(world):
    world.database.server.send_signal(signal.SIGQUIT)
    world.database.server.wait(30)
    world.database.start()
    return "PostgreSQL stopped at once, and started", time.monotonic()


def primary_lost(world):
    """The disk with it. The standby is promoted by this script, as Patroni would, and PgBouncer told."""
    first, standby, began = world.database, world.standby, time.monotonic()
    first.kill()
    # The new primary has no standby of its own yet: it must not wait for one.
    standby.psql("ALTER SYSTEM RESET synchronous_standby_names", database="postgres")
    standby.run("pg_ctl", "promote", "-D", standby.data)
    standby.run("pg_ctl", "reload", "-D", standby.data)
    world.bouncer.use(standby)
    world.database = standby
    return "the primary lost with its disk, the standby promoted (from the loss on)", began


def bouncer_killed(world):
    world.bouncer.stop(signal.SIGKILL)
    world.bouncer.start()
    return "kill -9 of PgBouncer, and its start", time.monotonic()


def lines_cut(world):
    for line in world.lines:
        line.cut()
    world.stopping.wait(3)
    for line in world.lines:
        line.go()
    return "every line cut for 3 s", time.monotonic()


def lines_silent(world):
    for line in world.lines[:2]:
        line.hold()
    world.stopping.wait(8)
    for line in world.lines[:2]:
        line.go()
    return "the lines of one server silent for 8 s", time.monotonic()


def lines_slow(world):
    for line in world.lines:
        line.delay = 0.05
    world.stopping.wait(6)
    for line in world.lines:
        line.delay = 0.0
    return "every line 50 ms slower, each way, for 6 s", time.monotonic()


def clock_stepped(world):
    for offset in (7_200, -7_200, 0):
        with open(world.clocks[1], "r+b", buffering=0) as file:
            file.write(struct.pack("=q", offset * 1_000_000_000))
        world.stopping.wait(3)
    return "the wall clock of one server two hours ahead, two behind, and back", time.monotonic()


SCENES = {
    "redis": redis_kept, "still": redis_still, "forget": redis_lost, "kill": server_killed, "database-still": database_still, "bouncer": bouncer_killed,
    "cut": lines_cut, "silent": lines_silent, "slow": lines_slow, "clock": clock_stepped, "primary": primary_lost, "freeze": server_frozen,
    "database": database_restarted,
}
