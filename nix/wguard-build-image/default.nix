# The WireGuard clients in user space. boringtun needs no capability, but a shell, which sets its umask (ARCHITECTURE.md);
# wireguard-go runs as root with NET_ADMIN, as its pod says.
{ pkgs, tag }:
let
  # nixpkgs' own is older than the one that is tested.
  source = pkgs.fetchCrate {
    pname = "boringtun-cli";
    version = "0.7.1";
    hash = "sha256-14uz8eXETy4dlvvn82kBZg6UhSOVoKXdCVUGYgMFo5M=";
  };
  boringtun = pkgs.pkgsStatic.rustPlatform.buildRustPackage {
    pname = "boringtun-cli";
    version = "0.7.1";
    src = source;
    cargoLock = {
      lockFile = source + "/Cargo.lock";
    };
    # They need root and a network.
    doCheck = false;
    meta = {
      mainProgram = "boringtun-cli";
    };
  };
  image = import ../lib/image.nix { inherit pkgs; };
in
{
  boringtun = image {
    name = "hopkeeper/boringtun";
    inherit tag;
    programs = {
      boringtun-cli = "${boringtun}/bin/boringtun-cli";
      sh = "${pkgs.pkgsStatic.busybox}/bin/busybox";
    };
    entrypoint = [ "/bin/boringtun-cli" ];
  };
  wireguard-go = image {
    name = "hopkeeper/wireguard-go";
    inherit tag;
    programs = {
      wireguard-go = "${pkgs.wireguard-go}/bin/wireguard-go";
    };
    entrypoint = [ "/bin/wireguard-go" ];
    user = "0:0";
  };
}
