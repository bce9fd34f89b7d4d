#!/usr/bin/env bash
# Installs what is missing, builds everything, and runs every test.
#
#   ./run_tests.sh [--no-install] [--preset release|debug|asan|tsan|fuzz] [flags of ctest]
#
# With the preset `fuzz` it runs the fuzzers instead, FUZZ_SECONDS (10) each.
set -euo pipefail

preset=release
install=yes
flags=()
while [[ $# -gt 0 ]]; do
    case "$1" in
    --no-install) install=no ;;
    --preset=*) preset=${1#--preset=} ;;
    --preset)
        preset=${2:?--preset needs a name}
        shift
        ;;
    --help | -h)
        sed -n '2,6s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
    *) flags+=("$1") ;;
    esac
    shift
done

cd "$(dirname "${BASH_SOURCE[0]}")"
packages=tests
configure=(-DFIRERED_TESTS=ON)
targets=()
if [[ $preset == fuzz ]]; then
    packages=fuzz
    configure+=("-DFIRERED_FUZZ_SECONDS=${FUZZ_SECONDS:-10}")
    targets=(--target fuzzers)
    flags=(-R '^fuzz_' "${flags[@]}")
fi

[[ $install == no ]] || scripts/setup.sh "$packages"
cmake --preset "$preset" "${configure[@]}" >/dev/null
cmake --build --preset "$preset" "${targets[@]}"
exec ctest --test-dir "build/$preset" --output-on-failure "${flags[@]}"
