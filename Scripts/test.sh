#!/usr/bin/env bash
# Every test: Swift's, then the peers written by others that sign and verify what crosses the wire, then the README's tour.
set -uo pipefail
cd "$(dirname "$0")/.."
who=test
source Scripts/steps.sh

step "build" Scripts/build.sh debug
if [ ! -s "$notes/failed" ]; then
    step "swift build --build-tests" swift build --build-tests
    # A process for each folder of tests: one that crashes takes no other along, and each has the machine to itself. One that hangs has ten minutes.
    for folder in Tests/*Tests; do
        most=600 step "$(basename "$folder")" swift test --skip-build --quiet --filter "^$(basename "$folder")\\."
    done
    most=900 step "seats and a customer's life on PostgreSQL" env CODITECT_TEST_DATABASE=postgresql swift test --skip-build --quiet \
        --filter '^(SeatsTests|ContractTests\.LifeTests)'
    # The same suite on the ledger of many processes.
    most=600 step "SeatsTests on Redis" env CODITECT_SEAT_LEDGER=redis swift test --skip-build --quiet --filter '^SeatsTests\.'
    python=$(Scripts/venv.sh test) || { echo "test: no Python environment" >&2; exit 1; }
    # Each has its own server and folder. Tests/Interop/en16931.py judges the documents of test_bank_invoice.py;
    # docs/how-to/keys-in-an-hsm.md is what test_hsm_keys.py does; docs/how-to/secrets-in-a-key-service.md is what test_secrets.py does.
    # Tests/Interop/paddle_signatures.py are cases of test_paddle.py, Tests/Interop/paddle_stand_in.py is its Paddle.
    # Tests/Interop/file_faults.py and Tests/Interop/workstation_faults.py are faults for plugin_mutants.py; Tests/Interop/test_s3_files.py,
    # Tests/Interop/test_jupyterlab.py and Tests/Interop/test_plugin_scaffold.py run in Scripts/interop.sh.
    # Tests/Interop/sendgrid_stand_in.py is the SendGrid of test_sendgrid.py.
    # Tests/Interop/openid_stand_in.py is the provider of test_sign_in.py; Tests/Interop/identity_faults.py and
    # Tests/Interop/ldap_faults.py are faults for plugin_mutants.py.
    # Tests/Interop/slapd_peer.py and Tests/Interop/lying_directory.py are the directories of test_directory.py; Tests/Interop/authority.py makes certificates.
    # Tests/Interop/saml_stand_in.py is the provider of test_saml.py; Tests/Interop/saml_faults.py are faults for plugin_mutants.py.
    side_by_side <<STEPS
plugin packages | Scripts/test-plugins.sh
the kit's API keeps its promises | Scripts/check-kit.sh
the check of the kit's API | Scripts/check-kit.sh --prove
the first plugin, as its page says | python3 Tests/Interop/test_plugin_tutorial.py
plugins on a running server | python3 Tests/Interop/test_plugins.py
secrets are nowhere, rotate, and lie in a key service | python3 Tests/Interop/test_secrets.py
keys in an HSM, as its page says | "$python" Tests/Interop/test_hsm_keys.py
access tokens by PyJWT | "$python" Tests/Interop/test_tokens.py
the role matrix by casbin | "$python" Tests/Interop/test_roles.py
a firm's people in pages and API | python3 Tests/Interop/test_people.py
staff in the pages, and in a member's place | python3 Tests/Interop/test_staff.py
teams, projects, usage and leaving in the pages | python3 Tests/Interop/test_customer_pages.py
seat signatures by Debian's cryptography | /usr/bin/python3 Tests/Interop/test_seat_signature.py
licence files by Debian's cryptography | /usr/bin/python3 Tests/Interop/test_license_files.py
webhooks by the standardwebhooks library | "$python" Tests/Interop/test_webhooks.py
Stripe signatures by the official SDK | "$python" Tests/Interop/stripe_signatures.py
a sale on invoice, by the rules of EN 16931 | "$python" Tests/Interop/test_bank_invoice.py
sign-in through an OpenID provider of joserfc's | "$python" Tests/Interop/test_sign_in.py
sign-in with a directory, a real slapd | "$python" Tests/Interop/test_directory.py
sign-in through a SAML provider of pysaml2's | "$python" Tests/Interop/test_saml.py
second factors by oathtool, fido2 and zxing | "$python" Tests/Interop/test_second_factors.py
a sale through Paddle, read by its official SDK | "$python" Tests/Interop/test_paddle.py
mail to a real SMTP server, with faults | "$python" Tests/Interop/test_mail.py
mail by SendGrid, judged by its official SDK | "$python" Tests/Interop/test_sendgrid.py
the checker of seats against faulty ledgers | python3 Tests/Stress/test_checker.py
random schedules on seats | python3 Tests/Stress/stress.py --operations 5000 --rounds-of 2500 --crowds 2
the long run on the ledger alone, shortened | env SEAT_DESK=.build/debug/seat-desk python3 Tests/Stress/marathon.py --operations 12000
decisions replayed by another process | python3 Tests/Interop/test_replay.py 20000
random lives in virtual time | .build/debug/coditectd simulate --tenants 10 --days 120 --seed 1 --policies policies --quiet
policies on trial | python3 Tests/Interop/test_policy_trials.py
a policy module of a plugin | python3 Tests/Interop/test_policy_module.py
SOC 2, and its export by Debian's cryptography | /usr/bin/python3 Tests/Interop/test_compliance.py
a customer's money, and its move between providers | python3 Tests/Interop/test_billing.py
projects and files, and what should not get through | python3 Tests/Interop/test_files.py
a sale through a plugin in a child process | python3 Tests/Interop/test_isolated_plugin.py
two servers over one PostgreSQL | python3 Tests/Interop/test_postgres.py
backup and restore, with every damage | /usr/bin/python3 Tests/Interop/test_backup.py
kill -9 at every step | python3 Tests/Interop/test_crash.py
clients of seats, killed and cut off | python3 Tests/Interop/test_seat_clients.py
licences and borrowed seats at their clients | /usr/bin/python3 Tests/Interop/test_licence_clients.py
the Python client | /usr/bin/python3 examples/python-client/tests/test_client.py
the clients in examples | python3 Tests/Interop/test_examples.py
the README's tour | python3 Tests/Interop/tour.py README.md
STEPS
fi
closing
