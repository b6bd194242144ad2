# A package set that builds nothing: every function takes exactly the arguments that nixpkgs' own takes, and gives back what
# it was asked for. A misspelt argument or package is an evaluation error.
let
  inherit (builtins) mapAttrs attrNames listToAttrs;

  lib = {
    inherit (builtins) concatStringsSep;
    inherit mapAttrs;
    mapAttrsToList = f: set: map (name: f name set.${name}) (attrNames set);
    genAttrs = names: f: listToAttrs (map (name: { inherit name; value = f name; }) names);
    cleanSource = source: source;
  };

  # A path in a store that is not there.
  fake = name: extra: extra // { inherit name; outPath = "/nix/store/00000000000000000000000000000000-${name}"; };
  package = name: fake name { };

  runCommand =
    name:
    {
      nativeBuildInputs ? [ ],
    }:
    script:
    assert builtins.isString script && builtins.all (input: input ? outPath) nativeBuildInputs;
    fake name { inherit script; };

  buildRustPackage =
    {
      pname,
      version,
      src,
      cargoLock,
      nativeBuildInputs ? [ ],
      buildInputs ? [ ],
      env ? { },
      doCheck ? true,
      meta ? { },
    }:
    assert attrNames cargoLock == [ "lockFile" ];
    assert builtins.all (input: input ? outPath) (nativeBuildInputs ++ buildInputs);
    assert builtins.all builtins.isString (builtins.attrValues env);
    fake "${pname}-${version}" { inherit src cargoLock; };

  packages = {
    inherit lib runCommand;
    openvpn = package "openvpn" // {
      override =
        {
          useSystemd ? true,
          pkcs11Support ? false,
        }:
        package "openvpn-small";
    };
    closureInfo = { rootPaths }: fake "closure" { inherit rootPaths; };
    fetchCrate =
      {
        pname,
        version,
        hash,
      }:
      assert builtins.match "sha256-[A-Za-z0-9+/]{43}=" hash != null;
      package "${pname}-${version}-source";
    dockerTools.buildLayeredImage =
      {
        name,
        tag ? null,
        contents ? [ ],
        config ? { },
        created ? "1970-01-01T00:00:01Z",
        maxLayers ? 100,
      }:
      assert builtins.all (content: content ? outPath) contents;
      fake "image" {
        asked = { inherit name tag config created maxLayers; contents = map (content: content.script or content.name) contents; };
      };
    rustPlatform = { inherit buildRustPackage; };
    pkgsStatic = {
      rustPlatform = { inherit buildRustPackage; };
      busybox = package "busybox";
      openssl = package "openssl" // {
        dev = package "openssl-dev";
        out = package "openssl";
      };
      zlib = package "zlib";
    };
    cacert = package "cacert";
    iproute2 = package "iproute2";
    jq = package "jq";
    nftables = package "nftables";
    perl = package "perl";
    wireguard-go = package "wireguard-go";
    wireguard-tools = package "wireguard-tools";
  };
in
{
  inherit lib;
  legacyPackages = {
    x86_64-linux = packages;
    aarch64-linux = packages;
  };
}
