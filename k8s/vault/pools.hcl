# Who fills the pools. It may read them too: who chooses a candidate knows it.
path "secret/metadata/vpn/*" { capabilities = ["list", "read", "delete"] }
path "secret/data/vpn/*"     { capabilities = ["create", "update", "read", "delete"] }
