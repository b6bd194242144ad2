# What the `health` container runs: busybox's shell and tools, and `wg` to look at an interface by hand.
{ pkgs, tag }:
let
  busybox = pkgs.pkgsStatic.busybox;
in
import ../lib/image.nix { inherit pkgs; } {
  name = "hopkeeper/health";
  inherit tag;
  programs = pkgs.lib.genAttrs [
    "cat"
    "date"
    "grep"
    "head"
    "sed"
    "sh"
    "sleep"
    "wget"
  ] (applet: "${busybox}/bin/busybox") // {
    wg = "${import ../lib/wg.nix { inherit pkgs; }}/bin/wg";
  };
  entrypoint = [ "/bin/sh" ];
}
