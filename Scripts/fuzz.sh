#!/usr/bin/env bash
# Fuzzes the boundary to Lua: policies as text, and what hooks hand over. Our C and Debian's Lua source are compiled with sanitizers.
# Usage: FUZZ_SECONDS=600 Scripts/fuzz.sh     corpus and findings stay in .build-fuzz
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${FUZZ_SECONDS:-600}
place=$PWD/.build-fuzz
mkdir -p "$place/corpus-source" "$place/corpus-input" "$place/found"

# Debian's own source of the version that is installed, by apt's signatures; nothing of the machine's apt is changed.
fetch_lua() {
    local version=$1 apt=$place/apt
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    local suite; suite=$(. /etc/os-release; echo "$VERSION_CODENAME")
    local mirror; mirror=$(grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | grep -v snapshot | head -n 1 | tr -d ' ' || true)
    # Without a mirror among the machine's own sources there is no source to be had.
    [ -n "$mirror" ] || { echo "no Debian mirror in /etc/apt" >"$place/apt.log"; return 1; }
    echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$apt/sources.list"
    local options=(-q -o "Dir::Etc::sourcelist=$apt/sources.list" -o "Dir::Etc::sourceparts=-" -o "Dir::State::Lists=$apt/lists" -o "Dir::Cache=$apt/cache" -o "APT::Sandbox::User=root")
    (cd "$place" && apt-get "${options[@]}" update && apt-get "${options[@]}" source --download-only "lua5.4=$version") >"$place/apt.log" 2>&1 || return 1
    rm -rf "$place/lua" && mkdir "$place/lua"
    tar -xf "$place"/lua5.4_*.orig.tar.gz -C "$place/lua" --strip-components 1
    tar -xf "$place/lua5.4_$version.debian.tar.xz" -C "$place/lua"
    while read -r patch; do patch -d "$place/lua" -p1 -s <"$place/lua/debian/patches/$patch"; done <"$place/lua/debian/patches/series"
}

version=$(dpkg-query -W -f='${Version}' liblua5.4-dev)
lua=()
if [ -e "$place/lua/src/lapi.c" ] || fetch_lua "$version"; then
    echo "fuzz: Debian's Lua $version from source, with sanitizers"
    for file in "$place"/lua/src/*.c; do case $(basename "$file") in lua.c | luac.c | onelua.c) ;; *) lua+=("$file") ;; esac; done
    include=(-I "$place/lua/src")
    libraries=(-lm)
else
    echo "fuzz: no source of Lua $version to be had (.build-fuzz/apt.log): the shared library, and only our C with sanitizers"
    include=(-I /usr/include/lua5.4)
    libraries=(-llua5.4 -lm)
fi

shim=(Sources/LuaShim/*.c)
for target in source input; do
    newest=$(find Sources/LuaShim Tests/Fuzz Scripts/fuzz.sh -newer "$place/fuzz-$target" 2>/dev/null | head -n 1 || true)
    if [ -x "$place/fuzz-$target" ] && [ -z "$newest" ]; then continue; fi
    clang -O2 -g -fuse-ld=lld -fno-omit-frame-pointer -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -fno-sanitize=function \
        -DLUA_USE_POSIX -I Sources/LuaShim/include -I Sources/LuaShim -I Tests/Fuzz "${include[@]}" \
        "Tests/Fuzz/fuzz_$target.c" "${shim[@]}" "${lua[@]}" "${libraries[@]}" -o "$place/fuzz-$target" >"$place/build.log" 2>&1 || { tail -n 20 "$place/build.log" >&2; exit 1; }
done
# The hostile files are the seeds; what is written out from a directive is left as it stands.
cp -n Sources/PolicyHost/Attacks/*.lua policies/*/*/policy.lua "$place/corpus-source/" 2>/dev/null || true

run() {
    local target=$1; shift
    ASAN_OPTIONS=detect_stack_use_after_return=0:malloc_context_size=4:quarantine_size_mb=16 "$place/fuzz-$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=3000 -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="$place/found/$target-" "$@" "$place/corpus-$target" >"$place/$target.log" 2>&1
}
echo "fuzz: $seconds s of sources and of inputs, side by side"
run source -max_len=2048 -dict=Tests/Fuzz/lua.dict & first=$!
run input -max_len=512 & second=$!
failed=0
wait $first || failed=1
wait $second || failed=1
for target in source input; do
    echo "fuzz: $target: $(grep -E 'number_of_executed_units|new_units_added' "$place/$target.log" | tr -s ' ' | tr '\n' ' ')"
done
if [ $failed -ne 0 ]; then
    echo "fuzz: something was found; see $place/found and the logs beside it" >&2
    grep -hE "ERROR|SUMMARY|runtime error|deadly" "$place"/*.log | head -n 10 >&2
    exit 1
fi
echo "fuzz: nothing found"
