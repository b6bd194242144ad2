# One server that unseals itself with the key of the chart's Secret, and sets itself up at its first start.
ui = false
disable_mlock = true
api_addr = "https://@NAME@:8200"
cluster_addr = "https://127.0.0.1:8201"
listener "tcp" {
  address         = "0.0.0.0:8200"
  cluster_address = "127.0.0.1:8201"
  tls_cert_file   = "/etc/hopkeeper/tls/tls.crt"
  tls_key_file    = "/etc/hopkeeper/tls/tls.key"
}
storage "raft" {
  path    = "/openbao/data"
  node_id = "hopkeeper"
}
seal "static" {
  current_key_id = "hopkeeper-1"
  current_key    = "file:///etc/hopkeeper/seal/openbao-seal"
}
initialize "pools" {
  request "mount" {
    operation = "update"
    path      = "sys/mounts/secret"
    data      = { type = "kv", options = { version = "2" } }
  }
}
initialize "operator" {
  request "policy" {
    operation = "update"
    path      = "sys/policies/acl/hopkeeper"
    data = {
      policy = <<-EOT
        path "secret/metadata/vpn/*" { capabilities = ["list"] }
        path "secret/data/vpn/*" { capabilities = ["read"] }
      EOT
    }
  }
  request "auth" {
    operation = "update"
    path      = "sys/auth/kubernetes"
    data      = { type = "kubernetes" }
  }
  request "config" {
    operation = "update"
    path      = "auth/kubernetes/config"
    data      = { kubernetes_host = "https://kubernetes.default.svc" }
  }
  request "role" {
    operation = "update"
    path      = "auth/kubernetes/role/hopkeeper"
    data = {
      bound_service_account_names      = "@SERVICE_ACCOUNT@"
      bound_service_account_namespaces = "@NAMESPACE@"
      token_policies                   = "hopkeeper"
      token_ttl                        = "20m"
    }
  }
}
# Who fills the pools: kubectl create token @POOLS@, then a login with the role `pools`.
initialize "loader" {
  request "policy" {
    operation = "update"
    path      = "sys/policies/acl/pools"
    data = {
      policy = <<-EOT
        path "secret/metadata/vpn/*" { capabilities = ["list", "read", "delete"] }
        path "secret/data/vpn/*" { capabilities = ["create", "update", "read", "delete"] }
      EOT
    }
  }
  request "role" {
    operation = "update"
    path      = "auth/kubernetes/role/pools"
    data = {
      bound_service_account_names      = "@POOLS@"
      bound_service_account_namespaces = "@NAMESPACE@"
      token_policies                   = "pools"
      token_ttl                        = "20m"
    }
  }
}
