#!/usr/bin/env bash
# The heavy peers: a real browser through our pages, an API fuzzer over our OpenAPI, the shells that complete our command.
set -uo pipefail
cd "$(dirname "$0")/.."
who=interop
source Scripts/steps.sh

# Tests/Interop/test_release.py needs a packed release and a bare Debian: Scripts/release-check.sh.
Scripts/build.sh debug || exit 1
python=$(Scripts/venv.sh interop) || { echo "interop: no Python environment" >&2; exit 1; }
export python
step "the pages in Chromium" "$python" Tests/Interop/test_pages.py README.md
step "schemathesis over the OpenAPI" "$python" Tests/Interop/fuzz_api.py
step "every contract, over PostgreSQL" env CODITECT_TEST_DATABASE=postgresql swift test --quiet --filter '^ContractTests\.'
step "storage, scopes, jobs and seats through PgBouncer" env CODITECT_TEST_DATABASE=pgbouncer swift test --skip-build --quiet \
    --filter '^(StorePostgresTests\.|SeatsTests\.(AcquireTests|LedgerTests|RandomScheduleTests)|ContractTests\.LifeTests)'
step "servers replaced behind nginx and HAProxy, over PgBouncer" /usr/bin/python3 Tests/Interop/test_many_processes.py
step "three regions, their directory, and what must not be found in the others" /usr/bin/python3 Tests/Interop/test_regions.py
step "a streaming standby: paused, killed, promoted, another server's" /usr/bin/python3 Tests/Interop/test_replicas.py
step "three regions over files" /usr/bin/python3 Tests/Interop/test_regions.py sqlite
step "an older and a newer program over one database" /usr/bin/python3 Tests/Interop/test_upgrade.py
# These wait more than they work. Each has its own servers and folder.
side_by_side <<'STEPS'
every example of a life in virtual time | for life in examples/simulations/*.yaml; do .build/debug/coditectd simulate "$life" --policies policies --quiet || exit 1; done
a customer leaves, with an export and a certificate, through kill -9 | /usr/bin/python3 Tests/Interop/test_leaving.py
row-level security, proven by pgrls | "$python" Tests/Interop/test_row_security.py
traces, read by OpenTelemetry's definitions | "$python" Tests/Interop/test_traces.py
operations: Prometheus, the dashboard, Kubernetes' schemas | "$python" Tests/Interop/test_operations.py
a customer's coming months, on a copy of a running server | python3 Tests/Interop/test_forecast.py
workstations in Kubernetes, by its schemas | "$python" Tests/Interop/test_kubernetes_workstation.py
projects and files over s3-files | "$python" Tests/Interop/test_files.py s3
files in moto, signed and fetched by botocore | "$python" Tests/Interop/test_s3_files.py
workstations on this machine, kill -9 at every call | python3 Tests/Interop/test_local_workstation.py
a plugin's end in the middle of a refund and a change | python3 Tests/Interop/test_killed_operation.py
SimpleSAMLphp in Chromium | "$python" Tests/Interop/test_simplesamlphp.py
second factors in Chromium | "$python" Tests/Interop/test_passkeys.py
the mails in Chromium | "$python" Tests/Interop/test_mail_pages.py
completion in bash, zsh and fish | python3 Tests/Interop/test_completion.py
JupyterLab in members' workstations | python3 Tests/Interop/test_jupyterlab.py
100,000 decisions replayed by another process | python3 Tests/Interop/test_replay.py 100000
STEPS
step "Active Directory, played by Samba" "$python" Tests/Interop/test_samba.py
# Tests/Interop/authority.py makes the certificates of test_exim.py and test_mail.py.
step "mail to Exim" "$python" Tests/Interop/test_exim.py
# Tests/Interop/openid_peers.py starts the providers.
step "sign-in through LemonLDAP::NG and Glewlwyd" "$python" Tests/Interop/test_openid_peers.py
step "a new room" Scripts/test-new-feature.sh
step "new plugins of every kind and the usual mistakes, built outside of the tree" python3 Tests/Interop/test_plugin_scaffold.py --all
step "the policy sandbox, fuzzed" env FUZZ_SECONDS=30 Scripts/fuzz.sh
closing
