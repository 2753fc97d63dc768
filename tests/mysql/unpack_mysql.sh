#!/bin/sh
# Unpack Debian unstable's MySQL into a folder, with the libraries that it needs; FOLDER/mysqld then is the server's program.
# Nothing is installed: apt keeps its lists and its cache inside the folder, and the system's own are neither read nor changed.
set -eu

[ $# -eq 1 ] || { echo "usage: sh $0 FOLDER" >&2; exit 2; }
for program in apt-get apt-cache dpkg dpkg-deb; do
  command -v "$program" >/dev/null || { echo "$program is missing; this works on Debian and its relatives only" >&2; exit 1; }
done
mkdir -p "$1"
folder=$(cd "$1" && pwd -P)
case $folder in *[!A-Za-z0-9/._-]*) echo "the path of the folder may hold letters, digits and / . _ - only: $folder" >&2; exit 2 ;; esac
[ -z "$(ls -A "$folder")" ] || { echo "the folder is not empty: $folder" >&2; exit 2; }

state=$folder/apt
trap '[ -x "$folder/mysqld" ] || rm -rf "$folder/root"; rm -rf "$state"' EXIT
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$state/packages" "$folder/root"
: >"$state/status"
keys=/usr/share/keyrings/debian-archive-keyring.gpg
[ ! -e "$keys" ] || signed="[signed-by=$keys] "
echo "deb ${signed:-}$mirror unstable main" >"$state/sources.list"
set -- -qq -o "Dir::Etc::SourceList=$state/sources.list" -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$state/lists" \
  -o "Dir::State::Status=$state/status" -o "Dir::Cache=$state/cache" -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none -o APT::Update::Error-Mode=any

echo "reading the list of $mirror"
apt-get "$@" update
needed=$(apt-cache "$@" depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances mysql-server-core |
  grep '^[a-z]' | grep -vE '^(perl|libperl|debconf|cdebconf|dpkg|tar)' | sort -u)
echo "fetching $(echo "$needed" | wc -l) packages"
(cd "$state/packages" && apt-get "$@" download $needed)
for package in "$state"/packages/*.deb; do dpkg-deb --extract "$package" "$folder/root"; done

root=$folder/root
loader=$(find "$root/usr/lib64" "$root/usr/lib" -name 'ld-linux*.so.*' 2>/dev/null | head -n 1)
triplet=$(basename "$(dirname "$(find "$root/usr/lib" -name libc.so.6 | head -n 1)")")
libraries=$root/usr/lib/$triplet
cat >"$folder/mysqld" <<WRAPPER
#!/bin/sh
exec "$loader" --library-path "$libraries:$libraries/mysql/private" --argv0 "$root/usr/sbin/mysqld" "$root/usr/sbin/mysqld" "\$@" \\
  --lc-messages-dir="$root/usr/share/mysql" --character-sets-dir="$root/usr/share/mysql/charsets" --plugin-dir="$root/usr/lib/mysql/plugin"
WRAPPER
chmod +x "$folder/mysqld"
"$folder/mysqld" --version
echo "now: make test-mysql MYSQLD=$folder/mysqld"
