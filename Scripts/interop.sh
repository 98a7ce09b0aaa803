#!/usr/bin/env bash
# The heavy peers: a real browser through our pages, an API fuzzer over our OpenAPI, the shells that complete our command.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=()
said=$(mktemp) ends=$(mktemp)
trap 'rm -f "$said" "$ends"' EXIT
step() {
    local name=$1; shift
    echo "interop: $name"
    local started=$SECONDS
    if "$@" 2>&1 | tee "$said"; then echo "interop: $name took $((SECONDS - started)) s"; else
        failed+=("$name")
        echo "interop: $name FAILED"
        # Told again at the end: a log is often read from there.
        { echo "interop: the end of what \"$name\" said:"; grep -E 'FAILED|✘|error:|Traceback' "$said" | head -n 20; tail -n 20 "$said"; } | cut -c1-400 >> "$ends"
    fi
}
Scripts/build.sh debug || exit 1
python=$(Scripts/venv.sh interop) || { echo "interop: no Python environment" >&2; exit 1; }
step "the pages in Chromium" "$python" Tests/Interop/test_pages.py README.md
step "schemathesis over the OpenAPI" "$python" Tests/Interop/fuzz_api.py
step "completion in bash, zsh and fish" python3 Tests/Interop/test_completion.py
step "100,000 decisions replayed by another process" python3 Tests/Interop/test_replay.py 100000
FUZZ_SECONDS=30 step "the policy sandbox, fuzzed" Scripts/fuzz.sh
cat "$ends"
if [ ${#failed[@]} -gt 0 ]; then echo "interop: failed: ${failed[*]}"; exit 1; fi
echo "interop: all passed"
