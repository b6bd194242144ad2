{
  description = "Hopkeeper's container images: nothing in them but what their programs need to run";

  # `nix flake lock` writes the exact revision beside this file; commit it with the first build.
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      tag = "0.1.0";
      images =
        system:
        import ./images.nix {
          pkgs = nixpkgs.legacyPackages.${system};
          inherit tag;
          source = ./..;
        };
    in
    {
      # nix build ./nix#openvpn; another architecture by nix build ./nix#packages.aarch64-linux.openvpn
      packages = nixpkgs.lib.genAttrs systems (
        system: nixpkgs.lib.mapAttrs (name: built: built.result) (images system)
      );
      # nix build ./nix#sboms.x86_64-linux.openvpn
      sboms = nixpkgs.lib.genAttrs systems (
        system: nixpkgs.lib.mapAttrs (name: built: built.sbom) (images system)
      );
    };
}
