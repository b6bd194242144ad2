{{/* Names, labels and images. */}}

{{- define "hopkeeper.fullname" -}}
{{- if .Values.fullnameOverride -}}{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}{{ printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end -}}{{- end -}}
{{- end -}}

{{/* What never changes over a release's life: a Deployment's selector is immutable, so no version is among it. */}}
{{- define "hopkeeper.selector" -}}
app.kubernetes.io/name: hopkeeper
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "hopkeeper.labels" -}}
{{ include "hopkeeper.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "hopkeeper.serviceAccount" -}}
{{- default (include "hopkeeper.fullname" .) .Values.serviceAccount.name -}}
{{- end -}}

{{/* An image by its key in .Values.images: (list $ "operator"). A registry is put before a name without one. */}}
{{- define "hopkeeper.image" -}}
{{- $root := index . 0 -}}{{- $images := $root.Values.images -}}
{{- $image := index $images (index . 1) -}}
{{- $first := first (splitList "/" $image) -}}
{{- if not (or (contains "@" $image) (contains ":" (last (splitList "/" $image)))) -}}
{{- $image = printf "%s:%s" $image (default $root.Chart.AppVersion $images.tag) -}}
{{- end -}}
{{- if and $images.registry (not (or (contains "." $first) (contains ":" $first) (eq $first "localhost"))) -}}
{{- $image = printf "%s/%s" (trimSuffix "/" $images.registry) $image -}}
{{- end -}}
{{- $image -}}
{{- end -}}

{{/* Of every pod of this chart that needs no right: Pod Security's level restricted. */}}
{{- define "hopkeeper.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: { type: RuntimeDefault }
{{- end -}}
{{- define "hopkeeper.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{- define "hopkeeper.pullSecrets" -}}
{{- with .Values.images.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The log source's name on the operator's command line. */}}
{{- define "hopkeeper.source" -}}
{{- if eq .Values.stack.mode "none" -}}pod-logs{{- else -}}{{ .Values.stack.transport }}{{- end -}}
{{- end -}}

{{/* The namespace of a chain: (list $ chain). */}}
{{- define "hopkeeper.chainNamespace" -}}
{{- $root := index . 0 -}}{{- $chain := index . 1 -}}
{{- coalesce $chain.namespace $root.Values.watchNamespace $root.Release.Namespace -}}
{{- end -}}

{{/* A chain's spec as JSON: (list $ chain). What it does not say of links and placement the values say for all chains. A master
     belongs to a type: a chain with a type of its own does not get that of the others. */}}
{{- define "hopkeeper.chainSpec" -}}
{{- $root := index . 0 -}}{{- $spec := deepCopy (index . 1).spec -}}
{{- $links := default dict $spec.links -}}
{{- if not $links.type -}}
{{- $_ := set $links "type" $root.Values.links.type -}}
{{- if and $root.Values.links.master (not $links.master) -}}{{- $_ := set $links "master" $root.Values.links.master -}}{{- end -}}
{{- end -}}
{{- $_ := set $spec "links" $links -}}
{{- $_ := set $spec "placement" (default $root.Values.placement $spec.placement) -}}
{{- $spec | toJson -}}
{{- end -}}

{{/* The namespaces of all chains, each once, as a JSON list. */}}
{{- define "hopkeeper.chainNamespaces" -}}
{{- $all := list -}}
{{- range $name, $chain := .Values.chains -}}{{- $all = append $all (include "hopkeeper.chainNamespace" (list $ $chain)) -}}{{- end -}}
{{- $all | uniq | sortAlpha | toJson -}}
{{- end -}}

{{/* The mode that brings an Elasticsearch: embedded, eck, or nothing. */}}
{{- define "hopkeeper.ownElasticsearch" -}}
{{- if and (has .Values.stack.mode (list "embedded" "eck")) (eq .Values.stack.transport "elasticsearch") -}}{{ .Values.stack.mode }}{{- end -}}
{{- end -}}
{{/* Whether the operator talks to Elasticsearch: log lines come from there, or documents go there. */}}
{{- define "hopkeeper.usesElasticsearch" -}}
{{- if or (eq (include "hopkeeper.source" .) "elasticsearch") .Values.documents.enabled -}}yes{{- end -}}
{{- end -}}

{{/* Where the log source and Vault are, whatever the mode. */}}
{{- define "hopkeeper.brokers" -}}
{{- $name := include "hopkeeper.fullname" . -}}
{{- if eq .Values.stack.mode "embedded" -}}{{ $name }}-kafka.{{ .Release.Namespace }}.svc:9092
{{- else if eq .Values.stack.mode "eck" -}}{{ $name }}-kafka-kafka-bootstrap.{{ .Release.Namespace }}.svc:9093
{{- else -}}{{ join "," .Values.kafka.brokers }}{{- end -}}
{{- end -}}
{{- define "hopkeeper.elasticsearchUrls" -}}
{{- $name := include "hopkeeper.fullname" . -}}
{{- $own := include "hopkeeper.ownElasticsearch" . -}}
{{- if eq $own "embedded" -}}https://{{ $name }}-elasticsearch.{{ .Release.Namespace }}.svc:9200
{{- else if eq $own "eck" -}}https://{{ $name }}-es-http.{{ .Release.Namespace }}.svc:9200
{{- else -}}{{ join "," .Values.elasticsearch.urls }}{{- end -}}
{{- end -}}
{{- define "hopkeeper.vaultAddress" -}}
{{- if .Values.vault.address -}}{{ .Values.vault.address }}
{{- else if include "hopkeeper.hasOpenbao" . -}}https://{{ include "hopkeeper.fullname" . }}-openbao.{{ .Release.Namespace }}.svc:8200
{{- end -}}
{{- end -}}

{{/* What embedded mode installs. */}}
{{- define "hopkeeper.hasOpenbao" -}}
{{- if and (eq .Values.stack.mode "embedded") .Values.embedded.openbao.enabled (not .Values.vault.address) -}}yes{{- end -}}
{{- end -}}
{{- define "hopkeeper.hasFilebeat" -}}
{{- if and .Values.filebeat.enabled (has .Values.stack.mode (list "external" "embedded")) -}}yes{{- end -}}
{{- end -}}

{{/* The port of a URL: written in it, or its scheme's. */}}
{{- define "hopkeeper.port" -}}
{{- $url := urlParse . -}}
{{- if regexMatch ":[0-9]+$" $url.host -}}{{ splitList ":" $url.host | last }}
{{- else if eq $url.scheme "https" -}}443{{- else -}}80{{- end -}}
{{- end -}}

{{/* Whole seconds of a duration such as 1h30m; a part of one counts as one. */}}
{{- define "hopkeeper.seconds" -}}
{{- $seconds := 0 -}}
{{- range regexFindAll "[0-9]+(ms|s|m|h)" . -1 -}}
{{- $number := regexFind "^[0-9]+" . | atoi -}}
{{- if hasSuffix "ms" . -}}{{- $seconds = add $seconds (div (add $number 999) 1000) -}}
{{- else -}}{{- $seconds = add $seconds (mul $number (get (dict "s" 1 "m" 60 "h" 3600) (regexFind "[smh]$" .))) -}}{{- end -}}
{{- end -}}
{{- $seconds -}}
{{- end -}}

{{/* Other releases' operators by how they are bound, as JSON: (list $ "RoleBinding" namespace). operator/rbac.yaml labels bindings. */}}
{{- define "hopkeeper.otherOperators" -}}
{{- $root := index . 0 -}}{{- $found := list -}}
{{- range (lookup "rbac.authorization.k8s.io/v1" (index . 1) (index . 2) "").items -}}
{{- $labels := .metadata.labels | default dict -}}{{- $notes := .metadata.annotations | default dict -}}
{{- $release := dig "meta.helm.sh/release-name" "" $notes -}}{{- $namespace := dig "meta.helm.sh/release-namespace" "" $notes -}}
{{- if and (eq (dig "app.kubernetes.io/name" "" $labels) "hopkeeper") (eq (dig "app.kubernetes.io/component" "" $labels) "operator") $release -}}
{{- if or (ne $release $root.Release.Name) (ne $namespace $root.Release.Namespace) -}}
{{- $found = append $found (dict "release" $release "namespace" $namespace "watches" (default "" .metadata.namespace)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $found | toJson -}}
{{- end -}}
