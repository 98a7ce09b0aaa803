#!/usr/bin/env bash
# Packs a release: dist/coditect-VERSION-linux-ARCH.tar.gz and its SHA256SUMS beside it.
#
#   Scripts/release.sh             builds in release configuration, then packs
#   Scripts/release.sh --packed    packs what Scripts/build.sh release built before
#
# What is packed is what git knows, and what was built. The same tree and the same build give the same bytes: files in order, times of the commit,
# no owner, no path to the compiler.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C TZ=UTC

[ "${1:-}" = --packed ] || Scripts/build.sh release
built=.build/release
version=$(sed -n 's/.*static let version = "\([^"]*\)".*/\1/p' Sources/Composition/Release.swift)
name=coditect-$version-linux-$(uname -m)
moment=$(git log -1 --format=%ct)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/$name
mkdir -p "$root/lib" "$root/licenses"

# The programs and what they read from beside them.
for program in coditectd coditect coditect-plugin-child coditect-workstation; do cp "$built/$program" "$root/"; done
cp -rL "$built"/coditect_*.resources "$root/"
# Test programs' resources are none of a release's.
find "$root" -name '*Tests.resources' -prune -exec rm -rf {} +

# Plugins as the server wants them.
for manifest in plugins/*/plugin.json; do
    id=$(sed -n 's/^ *"id": *"\([^"]*\)".*/\1/p' "$manifest" | head -n 1)
    cp -r "$built/plugins/$id" "$root/plugins.$id"
    mkdir -p "$root/plugins"
    mv "$root/plugins.$id" "$root/plugins/$id"
done

# The libraries of Swift that any of these needs; Debian's stay Debian's.
swift=$(dirname "$(dirname "$(readlink -f "$(command -v swift)")")")
cp "$built/libPluginKit.so" "$root/lib/"
find "$root" -maxdepth 1 -type f -o -path '*/plugins/*.so' | xargs ldd | sed -n "s|^\t\([^ ]*\) => \($swift/[^ ]*\) .*|\2|p" | sort -u \
    | while read -r library; do cp -L "$library" "$root/lib/"; done

# Each finds its libraries beside it, wherever the folder is put.
for file in "$root"/coditectd "$root"/coditect "$root"/coditect-plugin-child "$root"/coditect-workstation; do
    strip --strip-debug "$file"
    patchelf --set-rpath '$ORIGIN/lib' "$file"
done
for file in "$root"/plugins/*/*.so; do
    strip --strip-debug "$file"
    patchelf --set-rpath '$ORIGIN/../../lib' "$file"
done
strip --strip-debug "$root/lib/libPluginKit.so"
for file in "$root"/lib/*.so; do patchelf --set-rpath '$ORIGIN' "$file"; done

# What they need of Debian is what the README has a reader install; libc6 and libgcc-s1 are in every Debian.
named=" $(sed -n 's/^apt-get install --no-install-recommends //p' Scripts/release-readme.md) libc6 libgcc-s1 "
find "$root" -type f \( -perm -u+x -o -name '*.so' \) -exec readelf -d {} + 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort -u \
    | while read -r library; do
        [ ! -e "$root/lib/$library" ] || continue
        file=$(ldconfig -p | sed -n "s|^\t$library .* => ||p" | head -n 1)
        package=$(dpkg -S "*/$(basename "$(readlink -f "$file")")" | sed 's/:.*//' | head -n 1)
        case "$named" in
        *" $package "*) ;;
        *) echo "release: $library is of Debian's package $package, which Scripts/release-readme.md does not name: add it" >&2; exit 65 ;;
        esac
    done

# What git knows of policies, pages and the kit.
copy() { git ls-files -z -- "$1" | while IFS= read -r -d '' file; do install -D -m "$(stat -c %a "$file")" "$file" "$root/$2${file#"$1"}"; done; }
copy policies policies
for part in reference tutorials how-to; do copy "docs/$part" "docs/$part"; done
for part in sdk sdk-testing template; do copy "plugins/$part" "kit/$part"; done
for file in LICENSE NOTICE; do if [ -e $file ]; then cp $file "$root/"; fi; done
git ls-files -- '*.service' '*.timer' '*.socket' | while read -r unit; do install -D -m 0644 "$unit" "$root/systemd/$(basename "$unit")"; done
cp Scripts/release-readme.md "$root/README.md"

# The licences of what is inside.
for checkout in .build/checkouts/*/; do
    for file in LICENSE LICENSE.txt LICENSE.md NOTICE.txt; do
        if [ -e "$checkout$file" ]; then cp "$checkout$file" "$root/licenses/$(basename "$checkout").$file"; fi
    done
done
if [ -e "$swift/share/swift/LICENSE.txt" ]; then cp "$swift/share/swift/LICENSE.txt" "$root/licenses/swift-runtime.LICENSE.txt"; fi

chmod -R u=rwX,go=rX "$root"
(cd "$root" && find . -type f ! -name SHA256SUMS -printf '%P\0' | sort -z | xargs -0 sha256sum > SHA256SUMS)
mkdir -p dist
tar --sort=name --format=gnu --mtime="@$moment" --owner=0 --group=0 --numeric-owner -C "$work" -cf - "$name" | gzip -n -6 > "dist/$name.tar.gz.part"
mv "dist/$name.tar.gz.part" "dist/$name.tar.gz"
(cd dist && sha256sum "$name.tar.gz" > SHA256SUMS)
echo "release: dist/$name.tar.gz, $(stat -c %s "dist/$name.tar.gz" | numfmt --to=iec), $(wc -l < "$root/SHA256SUMS") files"
