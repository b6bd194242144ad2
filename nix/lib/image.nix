# An image that holds what its programs need to run, and nothing else: no shell unless named, no package manager, no
# documentation. Reproducible: every time is the epoch. Beside it an SBOM, and its size.
{ pkgs }:
{
  # The image's name.
  name,
  # Its tag.
  tag,
  # What goes into /bin: { path-in-bin = file; }.
  programs,
  # Further packages that are no program, such as CA certificates.
  extra ? [ ],
  # What runs where the pod names nothing.
  entrypoint,
  # The user; nobody, unless the pod says otherwise.
  user ? "65534:65534",
}:
let
  # Only the programs themselves, so that nothing else of their packages (plugins, manuals) is in the closure.
  bin = pkgs.runCommand "${name}-bin" { } ''
    mkdir -p $out/bin
    # busybox is many programs, and one file.
    add() {
      for have in $out/bin/*; do
        if cmp -s "$have" "$2"; then ln -s "$(basename "$have")" $out/bin/"$1"; return; fi
      done
      install -m 755 "$2" $out/bin/"$1"
    }
    ${pkgs.lib.concatStringsSep "\n" (
      pkgs.lib.mapAttrsToList (path: file: "add ${path} ${file}") programs
    )}
  '';
  contents = [ bin ] ++ extra;
  closure = pkgs.closureInfo { rootPaths = contents; };
  image = pkgs.dockerTools.buildLayeredImage {
    inherit name tag contents;
    created = "1970-01-01T00:00:01Z";
    maxLayers = 20;
    config = {
      Entrypoint = entrypoint;
      User = user;
      Env = [ "PATH=/bin" ];
      Labels = {
        "org.opencontainers.image.title" = name;
        "org.opencontainers.image.version" = tag;
        "org.opencontainers.image.licenses" = "Apache-2.0";
        "org.opencontainers.image.source" = "https://github.com/hopkeeper/hopkeeper";
      };
    };
  };
  # Every store path is a component, by name and hash.
  sbom = pkgs.runCommand "${name}-${tag}.cdx.json" { nativeBuildInputs = [ pkgs.jq ]; } ''
    jq -Rn --arg name ${name} --arg version ${tag} '
      {bomFormat: "CycloneDX", specVersion: "1.6", version: 1,
       metadata: {component: {type: "container", name: $name, version: $version}},
       components: [inputs | capture("^/nix/store/(?<hash>[a-z0-9]{32})-(?<name>.+)$")
         | {type: "library", name: .name, "bom-ref": .hash, purl: ("pkg:nix/" + (.name | @uri) + "?hash=" + .hash)}]}' \
      ${closure}/store-paths > $out
  '';
in
{
  inherit image sbom;
  # What `nix build` makes: the image, its SBOM, and its size on the screen.
  result = pkgs.runCommand "${name}-${tag}" { } ''
    mkdir $out
    ln -s ${image} $out/image.tar.gz
    ln -s ${sbom} $out/sbom.cdx.json
    echo "${name}:${tag}: $(du -hL $out/image.tar.gz | cut -f1) packed, $(cat ${closure}/total-nar-size) bytes unpacked" | tee $out/size
  '';
}
