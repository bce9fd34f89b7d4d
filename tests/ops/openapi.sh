#!/bin/sh
# Checks the API's description with a validator that is not ours: openapi-spec-validator, in a Python environment of the
# test's own.  Skipped (77) where there is no Python that can make one, or the package cannot be had.
#
#   openapi.sh OPENAPI.JSON FOLDER      FOLDER keeps the environment for the next run
set -u
description=$1
environment=$2/openapi-validator
skip() {
    echo "skipped: $1"
    exit 77
}

if [ ! -x "$environment/bin/openapi-spec-validator" ]; then
    python3 -m venv "$environment" 2>/dev/null || skip "no Python that can make an environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check 'openapi-spec-validator>=0.7,<1' 2>/dev/null ||
        skip "the validator cannot be installed"
fi
exec "$environment/bin/openapi-spec-validator" --schema 3.1.0 "$description"
