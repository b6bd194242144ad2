# The operator, and the `net` containers of the hops, which also need ip and nft, and wg for the kernel's WireGuard. The nodes' VXLAN
# device needs bridge too. The pods say who runs it: 65532 as the operator, root with NET_ADMIN alone as `net`.
{
  pkgs,
  tag,
  # The repository.
  source,
}:
let
  static = pkgs.pkgsStatic;
  hopkeeper = static.rustPlatform.buildRustPackage {
    pname = "hopkeeper";
    version = tag;
    src = pkgs.lib.cleanSource source;
    cargoLock = {
      lockFile = source + "/Cargo.lock";
    };
    # librdkafka is built from source, and linked with OpenSSL for TLS and SCRAM.
    nativeBuildInputs = [ pkgs.perl ];
    buildInputs = [
      static.openssl
      static.zlib
    ];
    env = {
      OPENSSL_STATIC = "1";
      OPENSSL_INCLUDE_DIR = "${static.openssl.dev}/include";
      OPENSSL_LIB_DIR = "${static.openssl.out}/lib";
    };
    # They need a cluster: tests/lab.
    doCheck = false;
    meta = {
      mainProgram = "hopkeeper";
    };
  };
in
import ../lib/image.nix { inherit pkgs; } {
  name = "hopkeeper/hopkeeper";
  inherit tag;
  programs = {
    hopkeeper = "${hopkeeper}/bin/hopkeeper";
    ip = "${pkgs.iproute2}/bin/ip";
    bridge = "${pkgs.iproute2}/bin/bridge";
    nft = "${pkgs.nftables}/bin/nft";
    wg = "${import ../lib/wg.nix { inherit pkgs; }}/bin/wg";
  };
  extra = [ pkgs.cacert ];
  entrypoint = [ "/bin/hopkeeper" ];
  user = "65532:65532";
}
