# The OpenVPN client. It runs as nobody with no capability on a read-only root: no script, no plugin, no PAM, no systemd.
{ pkgs, tag }:
let
  openvpn = pkgs.openvpn.override {
    useSystemd = false;
    pkcs11Support = false;
  };
in
import ../lib/image.nix { inherit pkgs; } {
  name = "hopkeeper/openvpn";
  inherit tag;
  programs = {
    openvpn = "${openvpn}/bin/openvpn";
  };
  entrypoint = [ "/bin/openvpn" ];
}
