# shellcheck shell=bash
# Sourced by script/test: runs checks side by side and prints each when it ends.
#
# A check takes as many of the slots as `weight` says (1 unless listed there) and waits for the checks in `needs`, where
# these are selected. Both are associative arrays by check, `needs` with names separated by spaces.

# Process groups of the checks that are running, by the PID of their first process.
declare -A running=()

# schedule SLOTS RUN REPORT CHECK ...: starts each check in the given order as soon as there is room for it.
# RUN CHECK runs in a process group of its own, with its output in a file; REPORT CHECK STATUS SECONDS FILE follows its end.
schedule() {
    local slots=$1 run=$2 report=$3 check pid status free=$1 size blocked each scratch
    shift 3
    local waiting=("$@") rest
    local -A began=() ended=() present=()
    for check; do present[$check]=1; done
    scratch=$(mktemp -d) || return
    set -m # a process group for each, so that a check can be stopped with everything that it started
    while [[ ${#waiting[@]} != 0 || ${#running[@]} != 0 ]]; do
        rest=()
        for check in "${waiting[@]}"; do
            size=$(size_of "$check" "$slots")
            blocked=
            for each in ${needs[$check]:-}; do
                [[ ! ${present[$each]:-} || ${ended[$each]:-} ]] || blocked=1
            done
            if [[ $blocked || $size -gt $free ]]; then
                rest+=("$check")
                continue
            fi
            "$run" "$check" >"$scratch/${check/\//.}" 2>&1 </dev/null &
            running[$!]=$check
            began[$check]=$SECONDS
            free=$((free - size))
        done
        waiting=("${rest[@]}")
        status=0
        wait -n -p pid "${!running[@]}" || status=$?
        check=${running[$pid]}
        unset "running[$pid]"
        ended[$check]=1
        free=$((free + $(size_of "$check" "$slots")))
        "$report" "$check" "$status" $((SECONDS - began[$check])) "$scratch/${check/\//.}"
    done
    set +m
    rm -rf "$scratch"
}

# size_of CHECK SLOTS: its weight, or all slots where it is heavier than the machine.
size_of() {
    local size=${weight[$1]:-1}
    printf '%d\n' $((size < $2 ? size : $2))
}

# stop_running: ends the checks that are running, each with all that it started.
stop_running() {
    local pid
    for pid in "${!running[@]}"; do kill -TERM -- "-$pid" 2>/dev/null; done
    wait
}
