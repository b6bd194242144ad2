{{/* The operator's settings: the only place in this chart that knows the names of its flags and variables. */}}

{{- define "hopkeeper.hasRules" -}}
{{- if or .Values.rules.extra (eq .Values.rules.shipped "chart") -}}yes{{- end -}}
{{- end -}}

{{/* Who the operator is at Kafka: a Secret, and which of its keys hold what; {} without a user. */}}
{{- define "hopkeeper.kafkaLogin" -}}
{{- if ne (include "hopkeeper.source" .) "kafka" -}}{}
{{- else if eq .Values.stack.mode "embedded" -}}
{{- dict "secret" (include "hopkeeper.credentials" .) "user" "hopkeeper" "password" "kafka-hopkeeper" "mechanism" "plain" | toJson -}}
{{- else if eq .Values.stack.mode "eck" -}}
{{- $user := printf "%s-kafka-hopkeeper" (include "hopkeeper.fullname" .) -}}
{{- dict "secret" $user "user" $user "password" "password" "mechanism" "scram-sha-512" | toJson -}}
{{- else if and (eq .Values.stack.mode "external") .Values.kafka.userSecret -}}
{{- dict "secret" .Values.kafka.userSecret "userKey" "username" "password" "password" "mechanism" (default "scram-sha-512" .Values.kafka.saslMechanism) | toJson -}}
{{- else -}}{}{{- end -}}
{{- end -}}

{{/* How brokers are talked to: the value of --kafka-security-protocol. */}}
{{- define "hopkeeper.kafkaProtocol" -}}
{{- if eq .Values.stack.mode "embedded" -}}sasl-plaintext
{{- else if eq .Values.stack.mode "eck" -}}sasl-ssl
{{- else if .Values.kafka.securityProtocol -}}{{ .Values.kafka.securityProtocol }}
{{- else if .Values.kafka.userSecret -}}sasl-ssl
{{- else if or .Values.kafka.caConfigMap.name .Values.kafka.certificateSecret -}}ssl
{{- else -}}plaintext{{- end -}}
{{- end -}}
{{- define "hopkeeper.kafkaTls" -}}
{{- if has (include "hopkeeper.kafkaProtocol" .) (list "ssl" "sasl-ssl") -}}yes{{- end -}}
{{- end -}}

{{/* A volume's source with the CA certificates as ca.crt; nothing where the system's suffice. */}}
{{- define "hopkeeper.kafkaCa" -}}
{{- if eq .Values.stack.mode "eck" -}}
secret: { secretName: {{ include "hopkeeper.fullname" . }}-kafka-cluster-ca-cert, items: [{ key: ca.crt, path: ca.crt }] }
{{- else if and (eq .Values.stack.mode "external") .Values.kafka.caConfigMap.name -}}
configMap: { name: {{ .Values.kafka.caConfigMap.name }}, items: [{ key: {{ .Values.kafka.caConfigMap.key }}, path: ca.crt }] }
{{- end -}}
{{- end -}}

{{- define "hopkeeper.kafkaOptions" -}}
{{- if and (eq (include "hopkeeper.source" .) "kafka") (eq .Values.stack.mode "external") }}
{{- range $key, $value := .Values.kafka.options }}
- {{ printf "--kafka-option=%s=%s" $key (toString $value) | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "hopkeeper.env" -}}
{{- $source := include "hopkeeper.source" . -}}
- { name: HOPKEEPER_LISTEN, value: "0.0.0.0:8088" } # the default, 127.0.0.1, answers no probe
{{- if not .Values.statusPage.enabled }}
- { name: HOPKEEPER_STATUS_LISTEN, value: "off" }
{{- else if .Values.statusPage.expose }}
- { name: HOPKEEPER_STATUS_LISTEN, value: "0.0.0.0:8089" }
{{- end }}
{{- if eq .Values.statusPage.auth "kubernetes" }}
- { name: HOPKEEPER_STATUS_AUTH, value: kubernetes }
{{- end }}
- { name: HOPKEEPER_LOG, value: {{ .Values.operator.log | quote }} }
- { name: HOPKEEPER_LOG_FORMAT, value: {{ .Values.operator.logFormat }} }
- { name: HOPKEEPER_LEASE_DURATION, value: {{ .Values.operator.leaseDuration | quote }} }
- { name: HOPKEEPER_PARAMETERS_POLL, value: {{ .Values.operator.parametersPoll | quote }} }
- { name: HOPKEEPER_SILENT_AFTER, value: {{ .Values.operator.silentAfter | quote }} }
- { name: HOPKEEPER_POD_LOG_FALLBACK, value: {{ .Values.operator.podLogFallback | quote }} }
- { name: HOPKEEPER_KEEP_INCIDENTS, value: {{ .Values.operator.keepIncidents | quote }} }
- { name: HOPKEEPER_CONCURRENCY, value: {{ .Values.operator.concurrency | quote }} }
{{- with .Values.watchNamespace }}
- { name: HOPKEEPER_NAMESPACE, value: {{ . | quote }} }
{{- end }}
{{- if include "hopkeeper.hasRules" . }}
- { name: HOPKEEPER_RULES, value: /etc/hopkeeper/rules }
{{- end }}
{{- if eq .Values.rules.shipped "chart" }}
- { name: HOPKEEPER_NO_SHIPPED_RULES, value: "true" }
{{- end }}
{{- if eq $source "kafka" }}
- { name: HOPKEEPER_KAFKA_BROKERS, value: {{ include "hopkeeper.brokers" . | quote }} }
- { name: HOPKEEPER_KAFKA_TOPIC, value: {{ .Values.kafka.topic | quote }} }
- { name: HOPKEEPER_KAFKA_GROUP, value: {{ .Values.kafka.group | quote }} }
- { name: HOPKEEPER_KAFKA_SECURITY_PROTOCOL, value: {{ include "hopkeeper.kafkaProtocol" . }} }
{{- $kafka := include "hopkeeper.kafkaLogin" . | fromJson }}
{{- if $kafka.user }}
- { name: HOPKEEPER_KAFKA_USERNAME, value: {{ $kafka.user | quote }} }
{{- else if $kafka.userKey }}
- name: HOPKEEPER_KAFKA_USERNAME
  valueFrom: { secretKeyRef: { name: {{ $kafka.secret }}, key: {{ $kafka.userKey }} } }
{{- end }}
{{- if $kafka.secret }}
- { name: HOPKEEPER_KAFKA_PASSWORD_FILE, value: /etc/hopkeeper/kafka/password }
- { name: HOPKEEPER_KAFKA_SASL_MECHANISM, value: {{ $kafka.mechanism }} }
{{- end }}
{{- if include "hopkeeper.kafkaCa" . }}
- { name: HOPKEEPER_KAFKA_CA_FILE, value: /etc/hopkeeper/kafka-ca/ca.crt }
{{- end }}
{{- if and (eq .Values.stack.mode "external") .Values.kafka.certificateSecret }}
- { name: HOPKEEPER_KAFKA_CERTIFICATE_FILE, value: /etc/hopkeeper/kafka-tls/tls.crt }
- { name: HOPKEEPER_KAFKA_KEY_FILE, value: /etc/hopkeeper/kafka-tls/tls.key }
{{- end }}
{{- end }}
{{- if eq $source "elasticsearch" }}
- { name: HOPKEEPER_ELASTICSEARCH_INDEX, value: {{ .Values.elasticsearch.index | quote }} }
{{- end }}
{{- if .Values.documents.enabled }}
- { name: HOPKEEPER_DOCUMENTS, value: "true" }
- { name: HOPKEEPER_DOCUMENTS_NAMESPACE, value: {{ .Values.documents.namespace | quote }} }
- { name: HOPKEEPER_DOCUMENTS_BUFFER, value: {{ .Values.documents.buffer | quote }} }
{{- end }}
{{- if include "hopkeeper.usesElasticsearch" . }}
{{- $es := include "hopkeeper.elasticsearchLogin" . | fromJson }}
- { name: HOPKEEPER_ELASTICSEARCH_URL, value: {{ include "hopkeeper.elasticsearchUrls" . | quote }} }
{{- if $es.apiKey }}
- { name: HOPKEEPER_ELASTICSEARCH_API_KEY_FILE, value: /etc/hopkeeper/elasticsearch/api-key }
{{- end }}
{{- if $es.user }}
- { name: HOPKEEPER_ELASTICSEARCH_USER, value: {{ $es.user | quote }} }
{{- else if $es.userKey }}
- name: HOPKEEPER_ELASTICSEARCH_USER
  valueFrom: { secretKeyRef: { name: {{ $es.secret }}, key: {{ $es.userKey }} } }
{{- end }}
{{- if $es.password }}
- { name: HOPKEEPER_ELASTICSEARCH_PASSWORD_FILE, value: /etc/hopkeeper/elasticsearch/password }
{{- end }}
{{- if include "hopkeeper.elasticsearchCa" . }}
- { name: HOPKEEPER_ELASTICSEARCH_CA, value: /etc/hopkeeper/elasticsearch-ca/ca.crt }
{{- end }}
{{- end }}
{{- with .Values.otlp.endpoint }}
- { name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ . | quote }} }
{{- if $.Values.otlp.headersSecret.name }}
- { name: HOPKEEPER_OTLP_HEADERS_FILE, value: /etc/hopkeeper/otlp/headers }
{{- end }}
{{- if $.Values.otlp.caConfigMap.name }}
- { name: OTEL_EXPORTER_OTLP_CERTIFICATE, value: /etc/hopkeeper/otlp-ca/ca.crt }
{{- end }}
{{- with $.Values.otlp.resourceAttributes }}
{{- $pairs := list }}
{{- range $key, $value := . }}{{ $pairs = append $pairs (printf "%s=%s" $key (toString $value | urlquery | replace "+" "%20")) }}{{ end }}
- { name: OTEL_RESOURCE_ATTRIBUTES, value: {{ join "," $pairs | quote }} }
{{- end }}
{{- end }}
{{- with include "hopkeeper.vaultAddress" . }}
- { name: VAULT_ADDR, value: {{ . | quote }} }
- { name: HOPKEEPER_VAULT_AUTH, value: {{ $.Values.vault.auth }} }
- { name: HOPKEEPER_VAULT_ROLE, value: {{ $.Values.vault.role | quote }} }
{{- with $.Values.vault.authMount }}
- { name: HOPKEEPER_VAULT_AUTH_MOUNT, value: {{ . | quote }} }
{{- end }}
{{- if ne $.Values.vault.auth "kubernetes" }}
- { name: HOPKEEPER_VAULT_CREDENTIAL_FILE, value: /etc/hopkeeper/vault/credential }
{{- end }}
{{- if include "hopkeeper.vaultCa" $ }}
- { name: VAULT_CACERT, value: /etc/hopkeeper/vault-ca/ca.crt }
{{- end }}
{{- end }}
- { name: HOPKEEPER_IMAGE, value: {{ include "hopkeeper.image" (list $ "operator") | quote }} } # the images of the hops' pods
- { name: HOPKEEPER_IMAGE_OPENVPN, value: {{ include "hopkeeper.image" (list $ "openvpn") | quote }} }
- { name: HOPKEEPER_IMAGE_BORINGTUN, value: {{ include "hopkeeper.image" (list $ "boringtun") | quote }} }
- { name: HOPKEEPER_IMAGE_WIREGUARD_GO, value: {{ include "hopkeeper.image" (list $ "wireguardGo") | quote }} }
- { name: HOPKEEPER_IMAGE_HEALTH, value: {{ include "hopkeeper.image" (list $ "health") | quote }} }
{{- with .Values.tunDevice.resource }}
- { name: HOPKEEPER_TUN_RESOURCE, value: {{ . | quote }} }
{{- end }}
{{- end -}}

{{/* How to log in to Elasticsearch: a Secret, and which of its keys hold what. */}}
{{- define "hopkeeper.elasticsearchLogin" -}}
{{- $own := include "hopkeeper.ownElasticsearch" . -}}
{{- if eq $own "embedded" -}}
{{- dict "secret" (include "hopkeeper.credentials" .) "user" "hopkeeper" "password" "elasticsearch-hopkeeper" | toJson -}}
{{- else if eq $own "eck" -}}
{{- dict "secret" (printf "%s-es-hopkeeper" (include "hopkeeper.fullname" .)) "user" "hopkeeper" "password" "password" | toJson -}}
{{- else if .Values.elasticsearch.apiKeySecret.name -}}
{{- dict "secret" .Values.elasticsearch.apiKeySecret.name "apiKey" .Values.elasticsearch.apiKeySecret.key | toJson -}}
{{- else if .Values.elasticsearch.userSecret -}}
{{- dict "secret" .Values.elasticsearch.userSecret "userKey" "username" "password" "password" | toJson -}}
{{- else -}}{}{{- end -}}
{{- end -}}

{{/* A volume's source with the CA certificates as ca.crt; nothing where the system's suffice. */}}
{{- define "hopkeeper.elasticsearchCa" -}}
{{- $own := include "hopkeeper.ownElasticsearch" . -}}
{{- if eq $own "embedded" -}}
secret: { secretName: {{ include "hopkeeper.tls" . }}, items: [{ key: ca.crt, path: ca.crt }] }
{{- else if eq $own "eck" -}}
secret: { secretName: {{ include "hopkeeper.fullname" . }}-es-http-certs-public, items: [{ key: ca.crt, path: ca.crt }] }
{{- else if .Values.elasticsearch.caConfigMap.name -}}
configMap: { name: {{ .Values.elasticsearch.caConfigMap.name }}, items: [{ key: {{ .Values.elasticsearch.caConfigMap.key }}, path: ca.crt }] }
{{- end -}}
{{- end -}}
{{- define "hopkeeper.vaultCa" -}}
{{- if .Values.vault.caConfigMap.name -}}
configMap: { name: {{ .Values.vault.caConfigMap.name }}, items: [{ key: {{ .Values.vault.caConfigMap.key }}, path: ca.crt }] }
{{- else if include "hopkeeper.hasOpenbao" . -}}
secret: { secretName: {{ include "hopkeeper.tls" . }}, items: [{ key: ca.crt, path: ca.crt }] }
{{- end -}}
{{- end -}}

{{- define "hopkeeper.ownVolumes" -}}
{{- if include "hopkeeper.hasRules" . }}
- name: rules
  configMap: { name: {{ include "hopkeeper.fullname" . }}-rules }
{{- end }}
{{- if eq (include "hopkeeper.source" .) "kafka" }}
{{- $kafka := include "hopkeeper.kafkaLogin" . | fromJson }}
{{- with $kafka.secret }}
- name: kafka
  secret:
    secretName: {{ . }}
    defaultMode: 0440
    items: [{ key: {{ $kafka.password }}, path: password }]
{{- end }}
{{- with include "hopkeeper.kafkaCa" . }}
- name: kafka-ca
  {{ . }}
{{- end }}
{{- if and (eq .Values.stack.mode "external") .Values.kafka.certificateSecret }}
- name: kafka-tls
  secret: { secretName: {{ .Values.kafka.certificateSecret }}, defaultMode: 0440 }
{{- end }}
{{- end }}
{{- if include "hopkeeper.usesElasticsearch" . }}
{{- $es := include "hopkeeper.elasticsearchLogin" . | fromJson }}
{{- with $es.secret }}
- name: elasticsearch
  secret:
    secretName: {{ . }}
    defaultMode: 0440
    items:
      {{- with $es.apiKey }}
      - { key: {{ . }}, path: api-key }
      {{- end }}
      {{- with $es.password }}
      - { key: {{ . }}, path: password }
      {{- end }}
{{- end }}
{{- with include "hopkeeper.elasticsearchCa" . }}
- name: elasticsearch-ca
  {{ . }}
{{- end }}
{{- end }}
{{- if .Values.otlp.endpoint }}
{{- with .Values.otlp.headersSecret }}
{{- if .name }}
- name: otlp
  secret: { secretName: {{ .name }}, defaultMode: 0440, items: [{ key: {{ .key }}, path: headers }] }
{{- end }}
{{- end }}
{{- with .Values.otlp.caConfigMap }}
{{- if .name }}
- name: otlp-ca
  configMap: { name: {{ .name }}, items: [{ key: {{ .key }}, path: ca.crt }] }
{{- end }}
{{- end }}
{{- end }}
{{- if include "hopkeeper.vaultAddress" . }}
{{- if ne .Values.vault.auth "kubernetes" }}
- name: vault
  secret:
    secretName: {{ .Values.vault.credentialSecret.name }}
    defaultMode: 0440
    items: [{ key: {{ .Values.vault.credentialSecret.key }}, path: credential }]
{{- end }}
{{- with include "hopkeeper.vaultCa" . }}
- name: vault-ca
  {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "hopkeeper.volumes" -}}
{{ include "hopkeeper.ownVolumes" . }}
{{- with .Values.operator.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Every volume above, under its own name. */}}
{{- define "hopkeeper.mounts" -}}
{{- range include "hopkeeper.ownVolumes" . | fromYamlArray }}
- { name: {{ .name }}, mountPath: /etc/hopkeeper/{{ .name }}, readOnly: true }
{{- end }}
{{- with .Values.operator.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}
