#!/bin/sh
# The same contents without nix: programs and the libraries that they are linked with, into a directory that becomes an image,
# and for whoever asks what is in it (syft, trivy, grype …) which of Debian's packages they are of, where such tools look in an
# image without dpkg: var/lib/dpkg/status.d; with the packages' copyright files.
#   collect.sh ROOT NAME=FILE|PACKAGE:FILE...
# NAME: the program's name in ROOT/bin; a static program brings no library. PACKAGE: whose script has made a file, which then
# keeps its place.
set -eu
root=$1; shift
mkdir -p "$root/bin" "$root/etc" "$root/var/lib/dpkg/status.d"

from() { # PACKAGE
  [ ! -e "$root/var/lib/dpkg/status.d/$1" ] || return 0
  dpkg-query --status "$1" >"$root/var/lib/dpkg/status.d/$1"
  install -D -m 644 "/usr/share/doc/$1/copyright" "$root/usr/share/doc/$1/copyright"
}
owned() { # FILE: what was built from source is of no package
  package=$(dpkg-query --search "$1" 2>/dev/null | sed -n '/^diversion by /!s/[:,].*//p' | head -n 1)
  [ -z "$package" ] || from "$package"
}
for given; do
  name=${given%%=*}
  if [ "$name" = "$given" ]; then
    file=${given#*:}
    install -D -m 644 "$file" "$root$file"
    from "${given%%:*}"
    continue
  fi
  file=$(readlink -f "${given#*=}")
  owned "$file"
  # busybox is many programs, and one file.
  for have in "$root"/bin/*; do
    if cmp -s "$have" "$file"; then ln -s "$(basename "$have")" "$root/bin/$name"; continue 2; fi
  done
  install -m 755 "$file" "$root/bin/$name"
  # "libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)", and the loader, which stands alone
  ldd "$file" 2>/dev/null | sed -n 's/.*=> \(\/[^ ]*\) (.*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) (.*/\1/p' | while read -r library; do
    [ ! -e "$root$library" ] || continue
    install -D -m 755 "$(readlink -f "$library")" "$root$library"
    owned "$(readlink -f "$library")"
  done
done
printf 'root:x:0:0::/:\nnobody:x:65534:65534::/:\n' >"$root/etc/passwd"
# Whose packages: without it they are of no known distribution.
install -m 644 /etc/os-release "$root/etc/os-release"
