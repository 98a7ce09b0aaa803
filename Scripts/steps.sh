# Sourced by test.sh and interop.sh, which set `who`: steps that say how long they took, and tell again at the end what a failed one said.
# shellcheck shell=bash
notes=$(mktemp -d)
trap 'rm -rf "$notes"' EXIT
touch "$notes/failed" "$notes/ends"

# step NAME COMMAND…: one step by itself, heard while it runs.
step() {
    local name=$1 started=$SECONDS; shift
    echo "$who: $name"
    if "$@" 2>&1 | tee "$notes/said"; then echo "$who: $name took $((SECONDS - started)) s"; else failure "$name" "$notes/said"; fi
}

failure() {
    echo "$1" >> "$notes/failed"
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
    export who notes
    export -f failure one_beside
    xargs -d '\n' -P 2 -I LINE bash -c 'one_beside "$1"' step LINE
}

one_beside() {
    local name=${1%% | *} command=${1#* | } started=$SECONDS said
    said=$(mktemp -p "$notes")
    echo "$who: $name began"
    set -o pipefail
    # Nothing here takes this long: one that hangs must not take the rest along.
    timeout -k 30 1500 bash -c "$command" > "$said" 2>&1 < /dev/null
    local code=$?
    {
        flock 9
        cat "$said"
        if [ $code -eq 0 ]; then echo "$who: $name took $((SECONDS - started)) s"; else failure "$name" "$said"; fi
    } 9> "$notes/lock"
    return 0
}

# closing: the failed steps' last words, then one line.
closing() {
    cat "$notes/ends"
    if [ -s "$notes/failed" ]; then echo "$who: failed: $(paste -sd';' "$notes/failed" | sed 's/;/; /g')"; exit 1; fi
    echo "$who: all passed"
}
