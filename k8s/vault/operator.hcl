# What the operator reads: which candidates there are, and the one that it uses.
path "secret/metadata/vpn/*" { capabilities = ["list"] }
path "secret/data/vpn/*"     { capabilities = ["read"] }
