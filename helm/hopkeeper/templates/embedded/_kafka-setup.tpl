{{/* The pod that makes the topic, and says who may do what with it. */}}
{{- define "hopkeeper.kafkaSetupPod" -}}
restartPolicy: OnFailure
automountServiceAccountToken: false
enableServiceLinks: false
{{- with include "hopkeeper.pullSecrets" . | trim }}
{{ . }}
{{- end }}
securityContext: { runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000, seccompProfile: { type: RuntimeDefault } }
containers:
  - name: setup
    image: {{ include "hopkeeper.image" (list . "kafka") }}
    imagePullPolicy: {{ .Values.images.pullPolicy }}
    command: [bash, -eu, /etc/kafka/hopkeeper/setup.sh]
    env:
      - { name: BROKER, value: {{ include "hopkeeper.brokers" . | quote }} }
      - { name: TOPIC, value: {{ .Values.kafka.topic | quote }} }
      - { name: GROUP, value: {{ .Values.kafka.group | quote }} }
      - { name: PARTITIONS, value: {{ .Values.embedded.kafka.partitions | quote }} }
      - { name: LOG_DIR, value: /tmp/logs }
      - name: KAFKA_ADMIN_PASSWORD
        valueFrom: { secretKeyRef: { name: {{ include "hopkeeper.credentials" . }}, key: kafka-admin } }
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: [ALL] } }
    resources:
      requests: { cpu: 50m, memory: 256Mi }
      limits: { memory: 512Mi }
    volumeMounts:
      - { name: config, mountPath: /etc/kafka/hopkeeper, readOnly: true }
volumes:
  - name: config
    configMap: { name: {{ include "hopkeeper.fullname" . }}-kafka }
{{- end -}}
