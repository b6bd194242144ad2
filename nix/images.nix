# Every image, by the name that the chart knows it by.
{
  pkgs,
  tag,
  source,
}:
let
  wireguard = import ./wguard-build-image { inherit pkgs tag; };
in
{
  openvpn = import ./ovpn-build-image { inherit pkgs tag; };
  inherit (wireguard) boringtun wireguard-go;
  health = import ./health-build-image { inherit pkgs tag; };
  hopkeeper = import ./hopkeeper-build-image { inherit pkgs tag source; };
}
