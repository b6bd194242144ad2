#!/usr/bin/env bash
# Every node: kernel settings, containerd, the CNI plugins, kubelet and kubeadm. Run it on each machine.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
need_root
[ -z "$(swapon --show)" ] || die "swap is on: swapoff -a, and take it out of /etc/fstab"

say "kernel modules and settings"
put /etc/modules-load.d/hopkeeper.conf <<<$'overlay\nbr_netfilter\ntun\nnf_tables' || true
for module in overlay br_netfilter tun nf_tables; do modprobe "$module"; done
if put /etc/sysctl.d/60-hopkeeper.conf <<<$'net.ipv4.ip_forward = 1\nnet.bridge.bridge-nf-call-iptables = 1\nnet.bridge.bridge-nf-call-ip6tables = 1'; then
  sysctl -q --system
fi

say "containerd"
export DEBIAN_FRONTEND=noninteractive
dpkg -s "$CONTAINERD_PACKAGE" >/dev/null 2>&1 || { apt-get update -q; apt-get install -y -q --no-install-recommends "$CONTAINERD_PACKAGE" ca-certificates curl gpg conntrack socat; }
# Debian's containerd begins with no configuration, without the CRI's systemd cgroups, and with another sandbox image than kubeadm pulls.
if containerd config default | sed -e 's/SystemdCgroup = false/SystemdCgroup = true/; s#bin_dir = "/usr/lib/cni"#bin_dir = "/opt/cni/bin"#' \
  -e "s#sandbox_image = .*#sandbox_image = \"$SANDBOX_IMAGE\"#" | put /etc/containerd/config.toml; then
  systemctl restart containerd
fi
systemctl enable -q --now containerd

say "kubelet and kubeadm $KUBERNETES"
minor=v${KUBERNETES%.*} key=/etc/apt/keyrings/kubernetes.gpg
if [ ! -e "$key" ]; then mkdir -p /etc/apt/keyrings; fetch "https://pkgs.k8s.io/core:/stable:/$minor/deb/Release.key" | gpg --dearmor >"$key.new"; mv "$key.new" "$key"; fi
if put /etc/apt/sources.list.d/kubernetes.list <<<"deb [signed-by=$key] https://pkgs.k8s.io/core:/stable:/$minor/deb/ /"; then apt-get update -q; fi
if [ "$(kubeadm version -o short 2>/dev/null)" != "v$KUBERNETES" ]; then
  apt-mark unhold kubelet kubeadm kubectl kubernetes-cni >/dev/null 2>&1 || true
  apt-get install -y -q "kubelet=$KUBERNETES-*" "kubeadm=$KUBERNETES-*" "kubectl=$KUBERNETES-*"
  rm -f /opt/cni/bin/.version
  # An upgrade is kubeadm's business, never apt's.
  apt-mark hold kubelet kubeadm kubectl kubernetes-cni >/dev/null
fi
# After the kubelet's packages: kubernetes-cni, which they bring, puts plugins of another version into the same directory.
say "CNI plugins $CNI_PLUGINS"
if [ "$(cat /opt/cni/bin/.version 2>/dev/null)" != "$CNI_PLUGINS" ]; then
  name=cni-plugins-linux-$(architecture)-$CNI_PLUGINS.tgz url=https://github.com/containernetworking/plugins/releases/download/$CNI_PLUGINS
  work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
  fetch "$url/$name" >"$work/$name"
  fetch "$url/$name.sha256" >"$work/$name.sha256"
  (cd "$work" && sha256sum -c --quiet "$name.sha256") || die "$name is not what its checksum says"
  mkdir -p /opt/cni/bin && tar -xzf "$work/$name" -C /opt/cni/bin
  echo "$CNI_PLUGINS" >/opt/cni/bin/.version
fi
for plugin in bridge macvlan host-local tuning; do [ -x /opt/cni/bin/$plugin ] || die "/opt/cni/bin/$plugin is missing"; done

say "done; next: 20-init.sh on the first node, 30-join.sh on a further one"
