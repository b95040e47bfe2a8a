#!/usr/bin/env bash
# Gets a GN that reads V8's build files: gn.sh FOLDER puts it at FOLDER/usr/bin/gn.
#
# Stable Debian's GN is older than V8 wants. This takes the one of Debian's unstable suite, from the mirror that apt is
# set up with, together with the C and C++ libraries it was linked to, and lets it use those: nothing is installed, and
# apt's own lists stay as they are. A GN in PATH that is new enough is used instead.
set -euo pipefail
folder=$1

# The newest thing in the build files that a GN must know; it has the names of all substitutions as plain text.
knows() { grep -q cc_module_name "$1"; }

if installed=$(command -v gn) && knows "$(readlink -f "$installed")"; then
    mkdir -p "$folder/usr/bin"
    ln -sfn "$installed" "$folder/usr/bin/gn"
    exit 0
fi

mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | head -n 1)
[ -n "$mirror" ] || { echo "apt has no Debian mirror in its sources; put a GN of 2026 or later into PATH"; exit 1; }
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e "$keyring" ] || { echo "no $keyring; install debian-archive-keyring"; exit 1; }

temporary=$folder.new
rm -rf "$temporary"
mkdir -p "$temporary/lists/partial" "$temporary/cache/archives/partial"
temporary=$(cd "$temporary" && pwd)
echo "deb [signed-by=$keyring] $mirror unstable main" >"$temporary/sources.list"
apt=(apt-get -q
    -o "Dir::Etc::SourceList=$temporary/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$temporary/lists" -o "Dir::Cache=$temporary/cache"
    -o Debug::NoLocking=1 -o APT::Sandbox::User=root)
"${apt[@]}" update
(cd "$temporary" && "${apt[@]}" download generate-ninja libc6 libstdc++6 libgcc-s1)
for package in "$temporary"/*.deb; do
    dpkg-deb -x "$package" "$temporary"
done
rm -rf "$temporary"/*.deb "$temporary/lists" "$temporary/cache"
knows "$temporary/usr/bin/gn" || { echo "the mirror's unstable suite has a GN that is too old as well"; exit 1; }

# The final path: the program names its interpreter and libraries in full.
rm -rf "$folder"
mv "$temporary" "$folder"
libraries=$(cd "$folder" && pwd)/usr/lib/x86_64-linux-gnu
patchelf --set-interpreter "$libraries/ld-linux-x86-64.so.2" --set-rpath "$libraries" "$folder/usr/bin/gn" \
    && "$folder/usr/bin/gn" --version || { rm -rf "$folder"; echo "GN does not run with its own libraries"; exit 1; }
