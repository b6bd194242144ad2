# The flake on the stub: what each image asks dockerTools for, on both architectures.
let
  nixpkgs = import ./stub.nix;
  flake = import ../flake.nix;
  outputs = flake.outputs {
    self = { };
    inherit nixpkgs;
  };
  images = import ../images.nix {
    pkgs = nixpkgs.legacyPackages.x86_64-linux;
    tag = "0.1.0";
    source = ../..;
  };
  names = builtins.mapAttrs (system: built: builtins.mapAttrs (name: result: result.name) built);
in
{
  packages = names outputs.packages;
  sboms = names outputs.sboms;
  images = builtins.mapAttrs (name: built: built.image.asked) images;
}
