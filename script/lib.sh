# shellcheck shell=bash
# Sourced by the scripts beside it: where things are, the Python environment, steps that tell how long they took.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/fleetnet

# use_environment run|test: puts the environment's programs first on PATH and lets Ansible find this checkout as the
# installed collection. Sets `tree`, a folder that holds ansible_collections/fleetnet/docker.
use_environment() {
    local venv name
    venv=$("$root/script/bootstrap" "$1") || return
    name=$(printf %s "$root" | sha256sum)
    tree=$cache/tree/${name:0:16}
    mkdir -p "$tree/ansible_collections/fleetnet"
    # -n: or a link that is there already would be followed, and another one made inside of the checkout.
    ln -sfn "$root" "$tree/ansible_collections/fleetnet/docker"

    export PATH="$venv/bin:$PATH" VIRTUAL_ENV="$venv"
    export ANSIBLE_COLLECTIONS_PATH="$tree"
    # Ansible refuses to run where the locale is not UTF-8.
    export LC_ALL=C.UTF-8
    # What Ansible keeps between runs goes to the cache as well, not to the user's own ~/.ansible.
    export ANSIBLE_HOME="$cache/ansible"
}

# step TITLE COMMAND ...: runs the command under a title and tells how long it took; passes its status on.
step() {
    local title=$1 started=$SECONDS status=0
    shift
    printf '\n==> %s\n' "$title"
    "$@" || status=$?
    printf '==> %s: %s in %d s\n' "$title" "$([[ $status == 0 ]] && echo done || echo "failed ($status)")" \
        $((SECONDS - started))
    return "$status"
}
