"""The heartbeat's script in Redis: our client against redis-benchmark with the same concurrency, interleaved on one server."""
import pathlib, re, shutil, statistics, subprocess, sys, tempfile

PROGRAM = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".build/release/bench-redis")
TASKS, LEASES, BEATS, ROUNDS = 64, 1000, 100_000, 5


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-redis-"))
    socket = folder / "s"
    server = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no", "--dir", str(folder)],
        stdout=subprocess.PIPE, text=True)
    try:
        for line in server.stdout:
            if "eady to accept connections" in line:
                break
        ours, theirs = [], []
        for _ in range(ROUNDS):
            said = subprocess.run(
                [PROGRAM, f"redis+unix://{socket}", str(LEASES), str(TASKS), str(BEATS)], check=True, capture_output=True, text=True).stdout
            ours.append(int(re.search(r"beats_per_second (\d+)", said)[1]))
            command = re.search(r"evalsha .*", said)[0].split()
            said = subprocess.run(
                ["redis-benchmark", "-s", str(socket), "-c", str(TASKS), "-P", "1", "-n", str(BEATS), "-q", *command],
                check=True, capture_output=True, text=True).stdout
            theirs.append(float(re.findall(r"([\d.]+) requests per second", said)[-1]))
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(folder)
    mine, peer = statistics.median(ours), statistics.median(theirs)
    ratio = mine / peer
    print(f"seats in Redis, the heartbeat's script, {TASKS} at once, Unix socket, median of {ROUNDS}:")
    print(f"  ours             {mine:10.0f}/s")
    print(f"  redis-benchmark  {peer:10.0f}/s   -c {TASKS} -P 1")
    print(f"  ratio            {ratio:10.2f}     goal ≥ 1.5: {'holds' if ratio >= 1.5 else 'DOES NOT HOLD'}")


main()
