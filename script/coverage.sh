# shellcheck shell=bash disable=SC2154
# Sourced by script/test: measures which lines of plugins/ run, on the controller and on the hosts of the test bed.
#
# coverage.py is part of the test environment and measures each Python process in whose environment
# COVERAGE_PROCESS_START is set. script/fleet installs it on the hosts, and copies what they measured before it removes
# them (testbed/fleetbed/coverage.py). Both read [tool.coverage] of pyproject.toml.
# SC2154: lib.sh sets root, work and cache.

# The Pythons of the host images.
host_pythons=(3.11 3.13)

# prepare_coverage: empties the folder of the measured data, and provides the files that script/fleet copies to hosts.
prepare_coverage() {
    local version python packages host=$work/coverage/host
    rm -rf "$work/coverage" && mkdir -p "$work/coverage/data" "$host/var/lib/fleetnet-coverage/data" || return
    cp pyproject.toml "$host/var/lib/fleetnet-coverage/" || return
    version=$(sed -n 's/^coverage==\([^ ]*\).*/\1/p' requirements/test.txt)
    for python in "${host_pythons[@]}"; do
        # The release for this Python contains a fast tracer.
        packages=$cache/coverage/$version-$python
        [[ -e $packages/a1_coverage.pth ]] ||
            python -m pip install -qq --disable-pip-version-check --no-deps --upgrade --target "$packages" \
                --only-binary=:all: --implementation cp --python-version "$python" "coverage==$version" || return
        mkdir -p "$host/usr/local/lib/python$python" &&
            cp -R "$packages" "$host/usr/local/lib/python$python/dist-packages" || return
        # Runs before coverage's own .pth file.
        echo 'import os; os.environ.setdefault("COVERAGE_PROCESS_START", "/var/lib/fleetnet-coverage/pyproject.toml")' \
            >"$host/usr/local/lib/python$python/dist-packages/a0_fleetnet.pth" || return
    done
}

# measure: sets what the Python processes that this shell starts need to be measured.
measure() {
    export FLEETNET_COVERAGE=$work/coverage FLEETNET_CHECKOUT=$root COVERAGE_PROCESS_START=$root/pyproject.toml
}

# report_coverage: prints how many lines ran, and where the list of the others is.
report_coverage() (
    measure
    unset COVERAGE_PROCESS_START
    python tests/uncovered.py "$work/coverage"
)
