{{/* IPv4 arithmetic: the gateway network is divided in a chart as the operator divides it. */}}
{{- define "hopkeeper.ipToInt" -}}
{{- $n := 0 -}}{{- range splitList "." . -}}{{- $n = add (mul $n 256) (int64 .) -}}{{- end -}}{{- $n -}}
{{- end -}}
{{- define "hopkeeper.intToIp" -}}
{{- $n := int64 . -}}
{{- printf "%d.%d.%d.%d" (div $n 16777216) (mod (div $n 65536) 256) (mod (div $n 256) 256) (mod $n 256) -}}
{{- end -}}

{{/* What applications of another namespace attach to: (dict "namespace" … "name" … "cidr" …), the chain's. The same bridge
     and the same network name as in the operator's own definition, so that both share one record of the addresses in use. */}}
{{- define "hopkeeper.gatewayConfig" -}}
{{- $cidr := splitList "/" .cidr -}}
{{- $base := include "hopkeeper.ipToInt" (index $cidr 0) | int64 -}}
{{- $size := 1 -}}{{- range until (int (sub 32 (int (index $cidr 1)))) -}}{{- $size = mul $size 2 -}}{{- end -}}
{{- $bridge := printf "hk%sgw" (printf "%s/%s" .namespace .name | sha256sum | trunc 8) -}}
{{- $range := dict "subnet" .cidr "gateway" (include "hopkeeper.intToIp" (add $base 1))
      "rangeStart" (include "hopkeeper.intToIp" (add $base 16)) "rangeEnd" (include "hopkeeper.intToIp" (add $base $size -2)) -}}
{{- $ipam := dict "type" "host-local" "ranges" (list (list $range)) "routes" (list (dict "dst" "0.0.0.0/1") (dict "dst" "128.0.0.0/1")) -}}
{{- $plugin := dict "type" "macvlan" "master" $bridge "mode" "bridge" "ipam" $ipam -}}
{{- $tuning := dict "type" "tuning" "sysctl" (dict "net.ipv4.conf.all.ignore_routes_with_linkdown" "0" "net.ipv4.conf.IFNAME.ignore_routes_with_linkdown" "0") -}}
{{- dict "cniVersion" "0.4.0" "name" (printf "%s-%s-gateway" .namespace .name) "plugins" (list $plugin $tuning) | toJson -}}
{{- end -}}
