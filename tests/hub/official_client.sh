#!/usr/bin/env bash
# The newest client of the hub's own, in a Python environment of the test's own.  Skipped (77) where there is no Python that can
# make one, or the client cannot be had.
#
#   official_client.sh FOLDER SCRIPT WORDS...      FOLDER keeps the environment; SCRIPT runs in it
set -euo pipefail

environment=$1/hub-client
shift
skip() {
    echo "skipped: $1"
    exit 77
}

(
    flock 9
    if [[ ! -e $environment/complete ]]; then
        python3 -m venv "$environment" 2>/dev/null || exit 3
        "$environment/bin/pip" install --quiet --disable-pip-version-check --upgrade huggingface_hub hf_xet 2>/dev/null || exit 4
        touch "$environment/complete"
    fi
) 9>"$environment.lock" || skip "no Python environment with huggingface_hub can be made"

exec "$environment/bin/python" "$@"
