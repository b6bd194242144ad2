{{/* Names in embedded mode, and how passwords are kept. */}}
{{- define "hopkeeper.credentials" -}}
{{- default (printf "%s-credentials" (include "hopkeeper.fullname" .)) .Values.embedded.credentialsSecret -}}
{{- end -}}
{{- define "hopkeeper.tls" -}}
{{- default (printf "%s-tls" (include "hopkeeper.fullname" .)) .Values.embedded.tlsSecret -}}
{{- end -}}

{{/* Which parts there are: kafka, or elasticsearch and kibana; openbao. */}}
{{- define "hopkeeper.parts" -}}
{{- $parts := list -}}
{{- if eq .Values.stack.mode "embedded" -}}
{{- if eq .Values.stack.transport "kafka" -}}{{- $parts = append $parts "kafka" -}}
{{- else -}}
{{- $parts = append $parts "elasticsearch" -}}
{{- if .Values.embedded.kibana.enabled -}}{{- $parts = append $parts "kibana" -}}{{- end -}}
{{- end -}}
{{- if include "hopkeeper.hasOpenbao" . -}}{{- $parts = append $parts "openbao" -}}{{- end -}}
{{- end -}}
{{- $parts | toJson -}}
{{- end -}}

{{/* Labels by which one part's pods are known: (list $ "kafka"). */}}
{{- define "hopkeeper.partSelector" -}}
{{ include "hopkeeper.selector" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* A part's one volume: (list $ "8Gi" "StorageClass"). */}}
{{- define "hopkeeper.claim" -}}
- metadata: { name: data }
  spec:
    accessModes: [ReadWriteOnce]
    {{- with index . 2 }}
    storageClassName: {{ . }}
    {{- end }}
    resources: { requests: { storage: {{ index . 1 }} } }
{{- end -}}
