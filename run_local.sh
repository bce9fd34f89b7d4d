#!/usr/bin/env bash
# Installs what is missing, builds the program, and serves on port 7000.
#
#   ./run_local.sh [--no-install] [flags of `firered serve`]
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
port=${PORT:-7000}
install=yes
flags=()
while [[ $# -gt 0 ]]; do
    case "$1" in
    --no-install) install=no ;;
    --port=*) port=${1#--port=} && flags+=("$1") ;;
    --port) port=${2-} && flags+=("$1") ;;
    *) flags+=("$1") ;;
    esac
    shift
done

[[ $install == no ]] || "$root/scripts/setup.sh"

cd "$root"
# The tests stay as they are in a folder that exists; in a new one they are not configured, which saves their packages.
[[ -f build/release/build.ninja ]] || cmake --preset release -DFIRERED_TESTS=OFF >/dev/null
cmake --build --preset release --target firered
cd "$OLDPWD"

cat <<END

Built build/release/firered.  Once it serves, open http://localhost:$port/ in a browser, or edit a picture from another
terminal:

  curl -F image=@$root/examples/cat.jpg -F prompt='make it black and white' \\
       -o edited.png http://localhost:$port/edit

END
exec "$root/build/release/firered" serve "${flags[@]}"
