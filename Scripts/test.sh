#!/usr/bin/env bash
# Every test: Swift's, then the peers written by others that sign and verify what crosses the wire, then the README's tour.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=()
said=$(mktemp) ends=$(mktemp)
trap 'rm -f "$said" "$ends"' EXIT
step() {
    local name=$1; shift
    echo "test: $name"
    local started=$SECONDS
    if "$@" 2>&1 | tee "$said"; then echo "test: $name took $((SECONDS - started)) s"; else
        failed+=("$name")
        echo "test: $name FAILED"
        # Told again at the end: a log is often read from there.
        { echo "test: the end of what \"$name\" said:"; grep -E 'FAILED|✘|error:|Traceback' "$said" | head -n 20; tail -n 20 "$said"; } | cut -c1-400 >> "$ends"
    fi
}

step "build" Scripts/build.sh debug
if [ ${#failed[@]} -eq 0 ]; then
    step "swift build --build-tests" swift build --build-tests
    # A process for each folder of tests: one that crashes takes no other along, and each has the machine to itself.
    for folder in Tests/*Tests; do
        step "$(basename "$folder")" swift test --skip-build --quiet --filter "^$(basename "$folder")\\."
    done
    python=$(Scripts/venv.sh test) || { echo "test: no Python environment" >&2; exit 1; }
    step "plugin packages" Scripts/test-plugins.sh
    step "the kit's API keeps its promises" Scripts/check-kit.sh
    step "the check of the kit's API" Scripts/check-kit.sh --prove
    step "the first plugin, as its page says" python3 Tests/Interop/test_plugin_tutorial.py
    step "plugins on a running server" python3 Tests/Interop/test_plugins.py
    step "secrets are nowhere, and rotate" python3 Tests/Interop/test_secrets.py
    step "access tokens by PyJWT" "$python" Tests/Interop/test_tokens.py
    step "seat signatures by Debian's cryptography" /usr/bin/python3 Tests/Interop/test_seat_signature.py
    step "licence files by Debian's cryptography" /usr/bin/python3 Tests/Interop/test_license_files.py
    step "webhooks by the standardwebhooks library" "$python" Tests/Interop/test_webhooks.py
    step "Stripe signatures by the official SDK" "$python" Tests/Interop/stripe_signatures.py
    # Tests/Interop/en16931.py is the judge of its documents.
    step "a sale on invoice, by the rules of EN 16931" "$python" Tests/Interop/test_bank_invoice.py
    # Tests/Interop/paddle_signatures.py are its cases, Tests/Interop/paddle_stand_in.py its Paddle.
    step "a sale through Paddle, read by its official SDK" "$python" Tests/Interop/test_paddle.py
    step "the checker of seats against faulty ledgers" python3 Tests/Stress/test_checker.py
    step "random schedules on seats" python3 Tests/Stress/stress.py --operations 5000 --rounds-of 2500 --crowds 2
    step "the long run on the ledger alone, shortened" env SEAT_DESK=.build/debug/seat-desk python3 Tests/Stress/marathon.py --operations 12000
    step "decisions replayed by another process" python3 Tests/Interop/test_replay.py 20000
    step "policies on trial" python3 Tests/Interop/test_policy_trials.py
    step "a policy module of a plugin" python3 Tests/Interop/test_policy_module.py
    step "a customer's money, and its move between providers" python3 Tests/Interop/test_billing.py
    step "a sale through a plugin in a child process" python3 Tests/Interop/test_isolated_plugin.py
    step "kill -9 at every step" python3 Tests/Interop/test_crash.py
    step "clients of seats, killed and cut off" python3 Tests/Interop/test_seat_clients.py
    step "licences and borrowed seats at their clients" /usr/bin/python3 Tests/Interop/test_licence_clients.py
    step "a new room" Scripts/test-new-feature.sh
    step "the Python client" /usr/bin/python3 examples/python-client/tests/test_client.py
    step "the clients in examples" python3 Tests/Interop/test_examples.py
    step "the README's tour" python3 Tests/Interop/tour.py README.md
fi
cat "$ends"
if [ ${#failed[@]} -gt 0 ]; then echo "test: failed: ${failed[*]}"; exit 1; fi
echo "test: all passed"
