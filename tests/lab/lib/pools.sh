# shellcheck shell=bash
# Candidate pools as an operator's user would keep them: in OpenBao KV v2 and as files; and the logins to read them.
bao_cli() { BAO_ADDR=http://127.0.0.1:$BAO_PORT BAO_TOKEN=$BAO_TOKEN HOME=$RUN/bao "$BIN/bao" "$@"; }
# PATH below secret/vpn [CURL ARGS]: by HTTP, as the command line takes a tenth of a second for each candidate
bao_data() { curl -s -H "X-Vault-Token: $BAO_TOKEN" "http://127.0.0.1:$BAO_PORT/v1/secret/data/vpn/$1" "${@:2}"; }

profile_openvpn() { # NAME SERVER TRANSPORT
  cat <<T
client
dev tun
proto $3
remote $(server_ip "$2") $VPN_PORT
resolv-retry infinite
nobind
persist-key
persist-tun
remote-cert-tls server
verify-x509-name $2.vpn.lab name
data-ciphers AES-256-GCM:AES-128-GCM:CHACHA20-POLY1305
verb 3
T
  [ "$(server_auth "$2")" != password ] || echo auth-user-pass
  local block; for block in "ca $VPN_PKI/ca.crt" "cert $KEYS/$1.crt" "key $KEYS/$1.key" "tls-crypt $VPN_PKI/tls-crypt.key"; do
    echo "<${block%% *}>"; cat "${block#* }"; echo "</${block%% *}>"
  done
}
profile_wireguard() { # NAME SERVER ADDRESS
  printf '[Interface]\nPrivateKey = %s\nAddress = %s/32\n\n[Peer]\nPublicKey = %s\n' "$(cat "$KEYS/$1.wg")" "$3" "$(cat "$INET/$2/public")"
  [ ! -e "$KEYS/$1.psk" ] || printf 'PresharedKey = %s\n' "$(cat "$KEYS/$1.psk")"
  printf 'AllowedIPs = 0.0.0.0/0\nEndpoint = %s:%s\nPersistentKeepalive = 25\n' "$(server_ip "$2")" "$WG_PORT"
}

# Files first: POOLS/<hop>/<candidate>.json holds the fields as OpenBao gets them, .ovpn or .conf the same in one text.
pools_files() {
  local name hop c s extra f old; old=$(umask); umask 077
  rm -rf "$POOLS"; mkdir -p "$POOLS"
  while read -r name hop c s extra; do
    mkdir -p "$POOLS/$hop"; f=$POOLS/$hop/$c
    if [ "$(server_kind "$s")" = wireguard ]; then
      profile_wireguard "$name" "$s" "$extra" >"$f.conf"
      jq -n --rawfile config "$f.conf" '{$config}' >"$f.json"
    else
      profile_openvpn "$name" "$s" "$extra" >"$f.ovpn"
      if [ "$(server_auth "$s")" = password ]; then
        jq -n --rawfile profile "$f.ovpn" --arg username "$name" --rawfile p "$KEYS/$name.password" '{$profile, $username, password: ($p | rtrimstr("\n"))}' >"$f.json"
        sed -i '/^auth-user-pass$/d' "$f.ovpn"
        printf '<auth-user-pass>\n%s\n%s\n</auth-user-pass>\n' "$name" "$(cat "$KEYS/$name.password")" >>"$f.ovpn"
      else jq -n --rawfile profile "$f.ovpn" '{$profile}' >"$f.json"; fi
    fi
  done < <(candidates)
  umask "$old"
}
pools_publish() { # into OpenBao; a candidate that is already there with the same content keeps its version
  local hop c new=0 same=0; pools_files
  while read -r _ hop c _; do
    if bao_data "$hop/$c" | jq -e --slurpfile want "$POOLS/$hop/$c.json" '.data.data == $want[0]' >/dev/null; then same=$((same + 1))
    else jq '{data: .}' "$POOLS/$hop/$c.json" | bao_data "$hop/$c" -f --data-binary @- >/dev/null || die "bao refused secret/vpn/$hop/$c"; new=$((new + 1)); fi
  done < <(candidates)
  bao_logins
  echo "pools: $((new + same)) candidates in secret/vpn/<hop>/<candidate> ($new written, $same unchanged) and $POOLS/<hop>/"
}
# Who may read them: policy hopkeeper-read; Kubernetes role 'hopkeeper' (service account hopkeeper in any namespace);
# AppRole 'hopkeeper', its ids in POOLS/approle/{role-id,secret-id}; a plain token in POOLS/token.
bao_logins() {
  local old; old=$(umask); umask 077
  bao_cli policy write hopkeeper-read - >/dev/null <<'T'
path "secret/data/vpn/*" { capabilities = ["read"] }
path "secret/metadata/vpn/*" { capabilities = ["read", "list"] }
path "auth/token/renew-self" { capabilities = ["update"] }
T
  local auths; auths=$(bao_cli auth list -format=json)
  jq -e '."approle/"' <<<"$auths" >/dev/null || bao_cli auth enable approle >/dev/null
  bao_cli write auth/approle/role/hopkeeper token_policies=hopkeeper-read token_ttl=10m token_max_ttl=1h role_id=hopkeeper-lab >/dev/null
  mkdir -p "$POOLS/approle"; echo hopkeeper-lab >"$POOLS/approle/role-id"
  bao_cli write -f -field=secret_id auth/approle/role/hopkeeper/secret-id >"$POOLS/approle/secret-id"
  bao_cli token create -policy=hopkeeper-read -ttl=24h -field=token >"$POOLS/token"
  if alive kube-apiserver; then
    kc -n kube-system get serviceaccount lab-bao >/dev/null 2>&1 || kc -n kube-system create serviceaccount lab-bao >/dev/null
    kc get clusterrolebinding lab-bao >/dev/null 2>&1 || kc create clusterrolebinding lab-bao --clusterrole=system:auth-delegator --serviceaccount=kube-system:lab-bao >/dev/null
    jq -e '."kubernetes/"' <<<"$auths" >/dev/null || bao_cli auth enable kubernetes >/dev/null
    kc -n kube-system create token lab-bao --duration=168h | bao_cli write auth/kubernetes/config kubernetes_host="$API" kubernetes_ca_cert=@"$PKI/ca.crt" token_reviewer_jwt=- >/dev/null
    bao_cli write auth/kubernetes/role/hopkeeper bound_service_account_names=hopkeeper bound_service_account_namespaces='*' token_policies=hopkeeper-read token_ttl=10m >/dev/null
  fi
  umask "$old"
}
pools() { # [--fresh]
  case ${1:-} in "" | --fresh) ;; *) die "usage: lab.sh pools [--fresh]" ;; esac
  alive inet || die "the internet is not up (run: lab.sh up internet)"
  alive bao || die "bao is not up (run: lab.sh up bao)"
  if [ "${1:-}" = --fresh ]; then # other keys and passwords; a certificate made before stays valid until it ends
    local s name extra; faults_clear >/dev/null
    for s in $(servers_of wireguard); do while read -r name _; do in_server "$s" wg set wg0 peer "$(cat "$KEYS/$name.pub")" remove; done < <(candidates "$s"); done
    candidates_make --fresh
    for s in $(servers_of wireguard); do while read -r name _ _ _ extra; do wg_peer "$s" "$(cat "$KEYS/$name.pub")" "$extra" "$KEYS/$name.psk"; done < <(candidates "$s"); done
    for s in $(servers_of openvpn); do kick "$s" '*' >/dev/null; done
  fi
  pools_publish
}
