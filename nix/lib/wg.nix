# `wg` alone: nixpkgs wraps it in a script that brings a shell, iptables and more into the closure.
{ pkgs }:
pkgs.runCommand "wg" { } ''
  wrapped=${pkgs.wireguard-tools}/bin/.wg-wrapped
  [ -e $wrapped ] || wrapped=${pkgs.wireguard-tools}/bin/wg
  install -D -m 755 $wrapped $out/bin/wg
''
