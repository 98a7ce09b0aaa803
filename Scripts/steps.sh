# Sourced by test.sh and interop.sh, which set `who`: steps that say how long they took, and tell again at the end what a failed one said.
# shellcheck shell=bash
notes=$(mktemp -d)
trap 'rm -rf "$notes"' EXIT
# What tests and compilers leave behind, keys among it, goes with the run. Others, such as PostgreSQL's user, find what is handed to them in it.
# Nobody can list the folder above, so nobody foretells this one's name.
TMPDIR=$(mktemp -d -p "$notes" XXXXXX)
export TMPDIR
chmod 1777 "$TMPDIR"
chmod 711 "$notes"
touch "$notes/failed" "$notes/ends" "$notes/skipped" "$notes/second"
# CODITECT_TRIES=2: what failed alone is tried once more at the end, and said to have failed first.
# CODITECT_STEPS_UNTIL, in seconds since 1970: no step begins after it, none goes on for long after it, and the closing line names what was left out.
AFTER=480
# Of the tests in one process. Without a bound all of them begin at once, and take more memory and connections to PostgreSQL than a small machine has.
export SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=${SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH:-16}

# is_late [AFTER]: no step begins any more; with AFTER, none goes on.
is_late() { [ -n "${CODITECT_STEPS_UNTIL:-}" ] && [ "$(date +%s)" -ge "$((CODITECT_STEPS_UNTIL + ${1:-0}))" ]; }

# skipped_late NAME
skipped_late() {
    is_late || return 1
    echo "$1" >> "$notes/skipped"
    echo "$who: $1: skipped, there is no time left for it"
}

# ended NAME CODE SECONDS WORDS COMMAND
ended() {
    if [ "$2" -eq 0 ]; then
        echo "$who: $1 took $3 s"
    elif is_late $AFTER; then
        echo "$1 (begun)" >> "$notes/skipped"
        echo "$who: $1: cut off after $3 s, there is no time left for it"
    else
        failure "$1" "$4" "$5"
    fi
}

# seconds_left MOST: what a step may take.
seconds_left() {
    local left=$1
    if [ -n "${CODITECT_STEPS_UNTIL:-}" ]; then left=$((CODITECT_STEPS_UNTIL + AFTER - $(date +%s))); fi
    if [ "$left" -lt 1 ]; then left=1; fi
    echo $((left < $1 ? left : $1))
}

# step NAME COMMAND…: one step by itself, heard while it runs; ended after an hour, or after `most` seconds.
step() {
    local name=$1 started=$SECONDS code; shift
    if skipped_late "$name"; then return; fi
    echo "$who: $name"
    # Into a file and not into a pipe: whoever is left behind by a step would hold the pipe open, and all that comes after it.
    : > "$notes/said"
    timeout -k 30 "$(seconds_left "${most:-3600}")" "$@" > "$notes/said" 2>&1 < /dev/null &
    tail -n +1 -f -s 0.2 --pid=$! "$notes/said"
    wait $!; code=$?
    ended "$name" $code $((SECONDS - started)) "$notes/said" "$(printf '%q ' "$@")"
}

# failure NAME WORDS COMMAND
failure() {
    echo "$1" >> "$notes/failed"
    echo "$3" >> "$notes/commands"
    echo "$who: $1 FAILED"
    # A log is often read from its end, and from its last lines alone: what failed comes after the last words, which are mostly a server's.
    {
        echo "$who: the end of what \"$1\" said:"
        grep -av '^{"time"' "$2" | tail -n 12
        echo "$who: what failed in \"$1\":"
        grep -aE 'FAILED|✘|error:|Traceback|Error' "$2" | grep -av '^{"time"' | head -n 20
    } | cut -c1-600 >> "$notes/ends"
}

# side_by_side: the steps on standard input, `NAME | COMMAND` a line, two at a time; what each says comes in one piece when it has ended.
side_by_side() {
    export who notes AFTER
    export -f failure one_beside is_late skipped_late ended seconds_left
    xargs -d '\n' -P 2 -I LINE bash -c 'one_beside "$1"' step LINE
}

one_beside() {
    local name=${1%% | *} command=${1#* | } started=$SECONDS said
    said=$(mktemp -p "$notes")
    if skipped_late "$name"; then return 0; fi
    echo "$who: $name began"
    set -o pipefail
    # Nothing here takes this long: one that hangs must not take the rest along.
    timeout -k 30 "$(seconds_left 1500)" bash -c "$command" > "$said" 2>&1 < /dev/null
    local code=$?
    {
        flock 9
        cat "$said"
        ended "$name" $code $((SECONDS - started)) "$said" "$command"
    } 9> "$notes/lock"
    return 0
}

# second_try: up to three failed steps once more, each alone. More than that is no accident.
second_try() {
    local names commands index
    mapfile -t names < "$notes/failed"
    if [ "${CODITECT_TRIES:-1}" -lt 2 ] || [ ${#names[@]} -eq 0 ] || [ ${#names[@]} -gt 3 ]; then return; fi
    AFTER=$((AFTER + 300))
    if [ "$(seconds_left 900)" -lt 60 ]; then return; fi
    mapfile -t commands < "$notes/commands"
    cat "$notes/ends"
    : > "$notes/failed"; : > "$notes/ends"
    for index in "${!names[@]}"; do
        echo "$who: ${names[index]}, once more"
        if timeout -k 30 "$(seconds_left 900)" bash -c "${commands[index]}" > "$notes/said" 2>&1 < /dev/null; then
            echo "${names[index]}" >> "$notes/second"
        else
            failure "${names[index]}" "$notes/said" "${commands[index]}"
        fi
    done
}

told() { paste -sd';' "$notes/$1" | sed 's/;/; /g'; }

# closing: the failed steps' last words, then one line for each kind of end.
closing() {
    second_try
    cat "$notes/ends"
    if [ -s "$notes/skipped" ]; then echo "$who: skipped, for there was no time left: $(told skipped)"; fi
    if [ -s "$notes/second" ]; then echo "$who: failed at first and passed at the second try, alone: $(told second)"; fi
    if [ -s "$notes/failed" ]; then echo "$who: failed: $(told failed)"; exit 1; fi
    echo "$who: all passed"
}
