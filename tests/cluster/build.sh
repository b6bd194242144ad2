#!/usr/bin/env bash
# What a machine would get from the internet when it is made a cluster, made from source: packages of pkgs.k8s.io, images of
# registries, files of releases; and the machine's own disk, a bare Debian. Into DIR; what is there already is left alone.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
LAB_DIR=${LAB_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/hopkeeper-lab}
DIR=${MACHINES_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/hopkeeper-machines}
LAB_BIN=$LAB_DIR/bin BIN=$DIR/bin WWW=$DIR/www IMAGES=$DIR/images
RELEASE=bookworm ETCD=v3.6.5 COREDNS=$(sed -n 's#.*github.com/coredns/coredns \(v[0-9.]*\).*#\1#p' coredns/go.mod) PAUSE=3.10.1 KUBERNETES_CNI=1.7.1 HELM=v3.19.2
HOSTS="pkgs.k8s.io github.com raw.githubusercontent.com get.helm.sh registry.k8s.io ghcr.io quay.io docker.io registry-1.docker.io deb.debian.org security.debian.org"
# shellcheck source=k8s/versions.env
. ../../k8s/versions.env
say() { printf '%s\n' "$*" >&2; }
die() { say "tests/cluster/build.sh: $*"; exit 1; }
for p in kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubeadm kubectl pause multus-daemon multus-shim helm; do
  [ -x "$LAB_BIN/$p" ] || die "$LAB_BIN/$p is missing: make lab-core, tests/helm/tools.sh"
done
mkdir -p "$BIN/cni" "$IMAGES"
mark=$DIR/made; mkdir -p "$mark"
# once NAME WHAT-IT-IS-MADE-OF COMMAND: not again until what it is made of has changed
once() {
  local name=$1 is=$2; shift 2
  [ "$(cat "$mark/$name" 2>/dev/null)" != "$is" ] || return 0
  say "making $name"; "$@"; echo "$is" >"$mark/$name"
}
# of FUNCTION FILE...: what it is made of by that function
of() { { declare -f "$1"; shift; cat "$@" /dev/null; echo "$RELEASE $ETCD $COREDNS $PAUSE $KUBERNETES_CNI $HELM"; } | sha256sum | cut -c -16; }

export CGO_ENABLED=0 GOFLAGS='-buildvcs=false -trimpath'
etcd() { # its go.mod names neighbours by path, which `go install` refuses
  local source work p; source=$(go mod download -json "go.etcd.io/etcd/server/v3@$ETCD" | jq -r .Dir) work=$(mktemp -d)
  cp "$source/go.mod" "$work/etcd.mod"; cp "$source/go.sum" "$work/etcd.sum"; chmod u+w "$work"/*
  for p in $(go mod edit -json "$work/etcd.mod" | jq -r '.Replace[]?.Old.Path'); do go mod edit -dropreplace="$p" "$work/etcd.mod"; done
  go build -C "$source" -mod=mod -modfile="$work/etcd.mod" -ldflags '-s -w' -o "$BIN/etcd" .
  rm -rf "$work"
}
programs() { GOBIN=$1 go install -ldflags "${3:--s -w}" "$2"; }
once standin "$(cat standin/* | sha256sum | cut -c -16)" go build -C standin -ldflags '-s -w' -o "$BIN/standin" .
v=-X\ github.com/containernetworking/plugins/pkg/utils/buildversion.BuildVersion=
once cni-plugins "$CNI_PLUGINS" programs "$BIN/cni" "github.com/containernetworking/plugins/plugins/...@$CNI_PLUGINS" "-s -w $v$CNI_PLUGINS"
multus() { go build -C ../lab/cni -mod=readonly -ldflags '-s -w' -o "$BIN/$1" "gopkg.in/k8snetworkplumbingwg/multus-cni.v4/cmd/$2"; }
once install_multus "$MULTUS" multus install_multus install_multus
once passthru "$MULTUS" multus passthru passthru-cni
once etcd "$ETCD" etcd
once coredns "$(cat coredns/* | sha256sum | cut -c -16)" go build -C coredns -mod=readonly -ldflags '-s -w' -o "$BIN/coredns" .

# --- pkgs.k8s.io: packages as kubernetes/release makes them (their files, dependencies and units), signed by a key of our own ---
packages() {
  local minor=v${KUBERNETES%.*} repo work name
  repo=$WWW/pkgs.k8s.io/core:/stable:/$minor/deb work=$(mktemp -d)
  rm -rf "$repo"; mkdir -p "$repo"
  deb() { # NAME VERSION DEPENDS: of the folder WORK/NAME
    mkdir -p "$work/$1/DEBIAN"
    printf '%s\n' "Package: $1" "Version: $2" "Architecture: amd64" "Maintainer: tests/cluster" "Description: stands in for the package of pkgs.k8s.io" >"$work/$1/DEBIAN/control"
    [ -z "$3" ] || echo "Depends: $3" >>"$work/$1/DEBIAN/control"
    [ ! -e "$work/$1/etc/default" ] || (cd "$work/$1" && find etc -type f -path 'etc/default/*' -printf '/%p\n' >DEBIAN/conffiles)
    dpkg-deb --root-owner-group -Znone --build "$work/$1" "$repo/$1_$2_amd64.deb" >/dev/null
  }
  for name in kubelet kubeadm kubectl; do install -D -m 755 "$LAB_BIN/$name" "$work/$name/usr/bin/$name"; done
  for name in "$BIN"/cni/*; do install -D -m 755 "$name" "$work/kubernetes-cni/opt/cni/bin/$(basename "$name")"; done
  # The version that it has there: not the one that versions.env wants.
  for name in "$work"/kubernetes-cni/opt/cni/bin/*; do printf %s "kubernetes-cni $KUBERNETES_CNI" >>"$name"; done
  mkdir -p "$work"/kubernetes-cni/etc/cni/net.d "$work"/kubelet/{usr/lib/systemd/system,etc/default,etc/kubernetes/manifests,var/lib/kubelet} "$work/kubeadm/usr/lib/systemd/system/kubelet.service.d"
  touch "$work"/kubernetes-cni/etc/cni/net.d/.kubernetes-cni-keep "$work"/kubelet/etc/kubernetes/manifests/.kubelet-keep "$work"/kubelet/var/lib/kubelet/.kubelet-keep
  echo KUBELET_EXTRA_ARGS= >"$work/kubelet/etc/default/kubelet"
  cat >"$work/kubelet/usr/lib/systemd/system/kubelet.service" <<'U'
[Unit]
Description=kubelet: The Kubernetes Node Agent
Wants=network-online.target
After=network-online.target
[Service]
ExecStart=/usr/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=10
[Install]
WantedBy=multi-user.target
U
  cat >"$work/kubeadm/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf" <<'U'
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
U
  # As Debian's helper for systemd units does: enabled, and started again and again until kubeadm configures it.
  mkdir -p "$work/kubelet/DEBIAN"
  printf '#!/bin/sh\nset -e\n[ "$1" != configure ] || { systemctl daemon-reload; systemctl enable --now kubelet.service; }\n' >"$work/kubelet/DEBIAN/postinst"
  chmod 755 "$work/kubelet/DEBIAN/postinst"
  deb kubernetes-cni "$KUBERNETES_CNI-1.1" ""
  deb kubectl "$KUBERNETES-1.1" ""
  deb kubelet "$KUBERNETES-1.1" "iptables (>= 1.4.21), kubernetes-cni (>= 1.2.0), mount, util-linux"
  deb kubeadm "$KUBERNETES-1.1" ""
  (cd "$repo" && for name in *.deb; do
    dpkg-deb --field "$name"; printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$name" "$(stat -c %s "$name")" "$(sha256sum "$name" | cut -d' ' -f1)"
  done >Packages)
  { echo "Origin: tests/cluster"; echo "Date: $(LC_ALL=C date -u '+%a, %d %b %Y %T UTC')"; echo "SHA256:"
    printf ' %s %s Packages\n' "$(sha256sum "$repo/Packages" | cut -d' ' -f1)" "$(stat -c %s "$repo/Packages")"; } >"$repo/Release"
  (export GNUPGHOME=$work/gpg; mkdir -m 700 "$GNUPGHOME"
    gpg --batch --quiet --pinentry-mode loopback --passphrase '' --quick-generate-key tests/cluster ed25519 sign never
    gpg --batch --quiet --armor --export >"$repo/Release.key"
    gpg --batch --quiet --pinentry-mode loopback --passphrase '' --clearsign --output "$repo/InRelease" "$repo/Release"
    gpgconf --kill all)
  rm -rf "$work"
}

# --- files of releases ---
files() {
  local to multus name=cni-plugins-linux-amd64-$CNI_PLUGINS.tgz
  to=$WWW/github.com/containernetworking/plugins/releases/download/$CNI_PLUGINS; mkdir -p "$to"
  tar -C "$BIN/cni" -czf "$to/$name" .
  (cd "$to" && sha256sum "$name" >"$name.sha256")
  to=$WWW/raw.githubusercontent.com/k8snetworkplumbingwg/multus-cni/$MULTUS/deployments; mkdir -p "$to"
  multus=$(go mod download -C ../lab/cni -json gopkg.in/k8snetworkplumbingwg/multus-cni.v4 | jq -r .Dir)
  install -m 644 "$multus/deployments/multus-daemonset-thick.yml" "$to/"
  to=$WWW/raw.githubusercontent.com/projectcalico/calico/$CALICO/manifests; mkdir -p "$to"
  install -m 644 network.yaml "$to/tigera-operator.yaml"; install -m 644 network-crds.yaml "$to/operator-crds.yaml"
  mkdir -p "$WWW/get.helm.sh"
  tar -C "$LAB_BIN" --transform 's#^#linux-amd64/#' -czf "$WWW/get.helm.sh/helm-$HELM-linux-amd64.tar.gz" helm
}

# --- images, by the names that kubeadm and the manifests know them by ---
images() {
  local p multus=/usr/src/multus-cni/bin
  image() { # NAME [ARGS of image.py...]
    python3 ../lab/lib/image.py "$IMAGES/$(tr '/:' '__' <<<"$1").tar" "$@"
  }
  rm -f "$IMAGES"/*.tar
  for p in apiserver controller-manager scheduler; do image "registry.k8s.io/kube-$p:v$KUBERNETES" --bare --cmd "kube-$p" "$LAB_BIN/kube-$p"; done
  image "registry.k8s.io/kube-proxy:v$KUBERNETES" --bare --cmd kube-proxy "$LAB_BIN/kube-proxy" "$(command -v nft)=/usr/sbin/nft"
  image "registry.k8s.io/etcd:${ETCD#v}-0" --bare --cmd etcd "$BIN/etcd"
  image "registry.k8s.io/coredns/coredns:$COREDNS" --bare --entrypoint /coredns "$BIN/coredns=/coredns"
  image "registry.k8s.io/pause:$PAUSE" --bare --entrypoint /pause "$LAB_BIN/pause=/pause"
  # Its base has that link, and its mounts need it.
  image "ghcr.io/k8snetworkplumbingwg/multus-cni:$MULTUS-thick" --bare --link /var/run=/run --entrypoint $multus/multus-daemon \
    "$LAB_BIN/multus-daemon=$multus/multus-daemon" "$LAB_BIN/multus-shim=$multus/multus-shim" "$BIN/install_multus=$multus/install_multus" "$BIN/passthru=$multus/passthru"
  image quay.io/stand-in/network:1 "$LAB_BIN/kubectl" "$(command -v nft)=/usr/sbin/nft" "$(command -v ip)=/usr/sbin/ip"
  image docker.io/library/busybox:1.37
}

# --- the certificate of all these hosts, and who signs it ---
certificates() {
  mkdir -p "$DIR/tls"
  (cd "$DIR/tls" && umask 077
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -subj '/CN=tests of Hopkeeper: stands in for the internet' -days 3650 2>/dev/null
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout host.key -out host.csr -subj /CN=stand-in 2>/dev/null
    openssl x509 -req -in host.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out host.crt -days 3650 \
      -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\n' "$(sed 's/[^ ]*/DNS:&/g; s/ /,/g' <<<"$HOSTS")") 2>/dev/null)
}

# --- a machine's disk: Debian as its installer leaves it, and what a machine here has other than a real one ---
disk() {
  local root=$DIR/root
  if [ ! -e "$DIR/$RELEASE.tar" ]; then
    mmdebstrap --quiet --mode=root --variant=important --include=dbus,systemd-sysv,ca-certificates "$RELEASE" "$DIR/new.tar"
    mv "$DIR/new.tar" "$DIR/$RELEASE.tar"
  fi
  rm -rf --one-file-system "$root"; mkdir "$root"
  tar -C "$root" -xf "$DIR/$RELEASE.tar"
  install -m 755 machine-init "$root/usr/local/sbin/machine-init"
  install -D -m 644 "$DIR/tls/ca.crt" "$root/usr/local/share/ca-certificates/stand-in.crt"
  chroot "$root" update-ca-certificates >/dev/null 2>&1
  # The kernel is this machine's: what it has built in is no module to load.
  local modules; modules=$root/lib/modules/$(uname -r)
  mkdir -p "$modules"; touch "$modules/modules.order"
  printf 'kernel/%s.ko\n' fs/overlayfs/overlay net/bridge/br_netfilter drivers/net/tun net/netfilter/nf_tables drivers/net/vxlan drivers/net/macvlan >"$modules/modules.builtin"
  chroot "$root" depmod "$(uname -r)" 2>/dev/null
  # Neither the devices nor the clock are the machine's; and nothing may come by itself from where no internet is.
  local unit; for unit in systemd-udevd.service systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-udev-trigger.service apt-daily.timer apt-daily-upgrade.timer systemd-timesyncd.service console-getty.service; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
  done
  # What a package brings need not survive a loss of power.
  echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/fast"
  # A root without CAP_SYS_RESOURCE may not protect a process from the kernel's memory killer, which runc takes for an error.
  if ! grep -q '^CapEff:.*[13579bdf].\{6\}$' /proc/self/status; then
    cat >"$root/usr/local/sbin/runc" <<'U'
#!/bin/sh
for word; do
  case $before in --bundle) file=$word/config.json ;; --process) file=$word ;; *) file= ;; esac
  [ -z "$file" ] || sed -i 's/"oomScoreAdj":-[0-9]*/"oomScoreAdj":0/' "$file"
  before=$word
done
exec /usr/sbin/runc "$@"
U
    chmod 755 "$root/usr/local/sbin/runc"
  fi
  rm -f "$DIR/disk.img.new"
  mkfs.ext4 -q -d "$root" "$DIR/disk.img.new" 30G >/dev/null
  mv "$DIR/disk.img.new" "$DIR/disk.img"
  rm -rf --one-file-system "$root"
}
from=$(sha256sum ../lab/lib/image.py ../../k8s/versions.env "$LAB_BIN"/{kube-apiserver,kubelet,multus-daemon} "$mark"/{etcd,coredns,cni-plugins} | sha256sum | cut -c -16)
once packages "$from $(of packages)" packages
once files "$from $(of files network.yaml network-crds.yaml)" files
once images "$from $(of images)" images
once certificates "$HOSTS" certificates
once disk "$(uname -r) $(of disk machine-init "$DIR/tls/ca.crt")" disk
