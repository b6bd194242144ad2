#!/bin/sh
# The same contents without nix: programs and the libraries that they are linked with, into a directory that becomes an image.
#   collect.sh ROOT NAME=FILE...      NAME: the program's name in ROOT/bin; a static program brings no library
set -eu
root=$1; shift
mkdir -p "$root/bin" "$root/etc"
for program; do
  file=$(readlink -f "${program#*=}")
  # busybox is many programs, and one file.
  name=${program%%=*}
  for have in "$root"/bin/*; do
    if cmp -s "$have" "$file"; then ln -s "$(basename "$have")" "$root/bin/$name"; continue 2; fi
  done
  install -m 755 "$file" "$root/bin/$name"
  # "libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)", and the loader, which stands alone
  ldd "$file" 2>/dev/null | sed -n 's/.*=> \(\/[^ ]*\) (.*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) (.*/\1/p' | while read -r library; do
    [ -e "$root$library" ] || install -D -m 755 "$(readlink -f "$library")" "$root$library"
  done
done
printf 'root:x:0:0::/:\nnobody:x:65534:65534::/:\n' >"$root/etc/passwd"
