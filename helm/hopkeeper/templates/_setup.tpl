{{/* The Job that prepares Elasticsearch and Kibana. */}}

{{/* Who may set up: a Secret, and either the user and the key of its password, or that the Secret names both. */}}
{{- define "hopkeeper.setupLogin" -}}
{{- $own := include "hopkeeper.ownElasticsearch" . -}}
{{- if .Values.documents.setup.credentialsSecret -}}
{{- dict "secret" .Values.documents.setup.credentialsSecret | toJson -}}
{{- else if eq $own "embedded" -}}
{{- dict "secret" (include "hopkeeper.credentials" .) "user" "admin" "password" "elasticsearch-admin" | toJson -}}
{{- else if eq $own "eck" -}}
{{- dict "secret" (printf "%s-es-elastic-user" (include "hopkeeper.fullname" .)) "user" "elastic" "password" "elastic" | toJson -}}
{{- else -}}{}{{- end -}}
{{- end -}}

{{- define "hopkeeper.kibanaUrl" -}}
{{- $own := include "hopkeeper.ownElasticsearch" . -}}
{{- if .Values.documents.setup.kibana.url -}}{{ .Values.documents.setup.kibana.url }}
{{- else if and (eq $own "embedded") .Values.embedded.kibana.enabled -}}https://{{ include "hopkeeper.fullname" . }}-kibana.{{ .Release.Namespace }}.svc:5601
{{- else if and (eq $own "eck") .Values.eck.kibana.enabled -}}https://{{ include "hopkeeper.fullname" . }}-kb-http.{{ .Release.Namespace }}.svc:5601
{{- end -}}
{{- end -}}

{{/* A volume's source with the CA certificates as ca.crt; nothing where those of Elasticsearch, or the system's, do. */}}
{{- define "hopkeeper.kibanaCa" -}}
{{- $kibana := .Values.documents.setup.kibana -}}
{{- if $kibana.caConfigMap.name -}}
configMap: { name: {{ $kibana.caConfigMap.name }}, items: [{ key: {{ $kibana.caConfigMap.key }}, path: ca.crt }] }
{{- else if and (eq (include "hopkeeper.ownElasticsearch" .) "eck") .Values.eck.kibana.enabled (not $kibana.url) -}}
secret: { secretName: {{ include "hopkeeper.fullname" . }}-kb-http-certs-public, items: [{ key: ca.crt, path: ca.crt }] }
{{- end -}}
{{- end -}}

{{- define "hopkeeper.setupEnv" -}}
{{- $login := include "hopkeeper.setupLogin" . | fromJson -}}
- { name: HOPKEEPER_ELASTICSEARCH_URL, value: {{ include "hopkeeper.elasticsearchUrls" . | quote }} }
- { name: HOPKEEPER_DOCUMENTS_NAMESPACE, value: {{ .Values.documents.namespace | quote }} }
- { name: HOPKEEPER_DOCUMENTS_KEEP, value: {{ .Values.documents.setup.keep | quote }} }
{{- if $login.user }}
- { name: HOPKEEPER_ELASTICSEARCH_USER, value: {{ $login.user }} }
- name: HOPKEEPER_ELASTICSEARCH_PASSWORD
  valueFrom: { secretKeyRef: { name: {{ $login.secret }}, key: {{ $login.password }} } }
{{- else if $login.secret }}
- name: HOPKEEPER_ELASTICSEARCH_USER
  valueFrom: { secretKeyRef: { name: {{ $login.secret }}, key: username, optional: true } }
- name: HOPKEEPER_ELASTICSEARCH_PASSWORD
  valueFrom: { secretKeyRef: { name: {{ $login.secret }}, key: password, optional: true } }
- name: HOPKEEPER_ELASTICSEARCH_API_KEY
  valueFrom: { secretKeyRef: { name: {{ $login.secret }}, key: encoded, optional: true } }
{{- end }}
{{- if include "hopkeeper.elasticsearchCa" . }}
- { name: HOPKEEPER_ELASTICSEARCH_CA, value: /etc/hopkeeper/elasticsearch-ca/ca.crt }
{{- end }}
{{- with include "hopkeeper.kibanaUrl" . }}
- { name: HOPKEEPER_KIBANA_URL, value: {{ . | quote }} }
- { name: HOPKEEPER_KIBANA_LINES, value: {{ $.Values.elasticsearch.index | quote }} }
{{- with $.Values.documents.setup.kibana.space }}
- { name: HOPKEEPER_KIBANA_SPACE, value: {{ . | quote }} }
{{- end }}
{{- if $.Values.documents.setup.kibana.rules }}
- { name: HOPKEEPER_KIBANA_RULES, value: "true" }
{{- end }}
{{- if include "hopkeeper.kibanaCa" $ }}
- { name: HOPKEEPER_KIBANA_CA, value: /etc/hopkeeper/kibana-ca/ca.crt }
{{- end }}
{{- end }}
{{- end -}}

{{- define "hopkeeper.setupVolumes" -}}
{{- with include "hopkeeper.elasticsearchCa" . }}
- name: elasticsearch-ca
  {{ . }}
{{- end }}
{{- if include "hopkeeper.kibanaUrl" . }}
{{- with include "hopkeeper.kibanaCa" . }}
- name: kibana-ca
  {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "hopkeeper.setupPod" -}}
restartPolicy: OnFailure
automountServiceAccountToken: false
enableServiceLinks: false
{{- with include "hopkeeper.pullSecrets" . | trim }}
{{ . }}
{{- end }}
securityContext: {{- include "hopkeeper.podSecurity" . | nindent 2 }}
containers:
  - name: setup
    image: {{ include "hopkeeper.image" (list $ "operator") }}
    imagePullPolicy: {{ .Values.images.pullPolicy }}
    command: [hopkeeper]
    args: [setup]
    env: {{- include "hopkeeper.setupEnv" . | nindent 6 }}
    securityContext: {{- include "hopkeeper.containerSecurity" . | nindent 6 }}
    resources:
      requests: { cpu: 10m, memory: 32Mi }
      limits: { memory: 128Mi }
    {{- with include "hopkeeper.setupVolumes" . | fromYamlArray }}
    volumeMounts:
      {{- range . }}
      - { name: {{ .name }}, mountPath: /etc/hopkeeper/{{ .name }}, readOnly: true }
      {{- end }}
    {{- end }}
{{- with include "hopkeeper.setupVolumes" . | trim }}
volumes: {{- . | nindent 2 }}
{{- end }}
{{- with .Values.operator.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.operator.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
