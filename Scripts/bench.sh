#!/usr/bin/env bash
# Builds for release and measures ours beside its yardsticks, in one run.
set -euo pipefail
cd "$(dirname "$0")/.."
Scripts/build.sh release
CODITECT_YARDSTICK=1 swift build -c release --product bench-floor
swift build -c release --product bench-boundary
Scripts/build-plugins.sh release .build/release/bench-plugins Tests/Fixtures/misbehaving-plugin
swift build -c release --product bench-redis
python3 Benchmarks/redis.py
python3 Benchmarks/everybody.py
exec python3 Benchmarks/bench.py
