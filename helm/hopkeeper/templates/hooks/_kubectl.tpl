{{/* A Job that runs kubectl once: (dict "root" $ "name" … "annotations" … "args" … "deadline" seconds, and optional "configMap" "mountPath"). */}}
{{- define "hopkeeper.kubectlJob" }}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "hopkeeper.labels" .root | nindent 4 }}
  annotations: {{- toYaml .annotations | nindent 4 }}
spec:
  backoffLimit: 3
  activeDeadlineSeconds: {{ .deadline }}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: hopkeeper
        app.kubernetes.io/instance: {{ .root.Release.Name }}
        app.kubernetes.io/component: hook
    spec:
      serviceAccountName: {{ .name }}
      restartPolicy: Never
      enableServiceLinks: false
      {{- with include "hopkeeper.pullSecrets" .root | trim }}
      {{- . | nindent 6 }}
      {{- end }}
      securityContext: {{- include "hopkeeper.podSecurity" .root | nindent 8 }}
      containers:
        - name: kubectl
          image: {{ include "hopkeeper.image" (list .root "kubectl") }}
          imagePullPolicy: {{ .root.Values.images.pullPolicy }}
          command: [kubectl]
          args: {{- toYaml .args | nindent 12 }}
          env:
            - { name: HOME, value: /tmp } # kubectl's cache
          securityContext: {{- include "hopkeeper.containerSecurity" .root | nindent 12 }}
          resources:
            requests: { cpu: 10m, memory: 32Mi }
            limits: { memory: 256Mi }
          volumeMounts:
            - { name: tmp, mountPath: /tmp }
            {{- with .configMap }}
            - { name: config, mountPath: {{ $.mountPath }}, readOnly: true }
            {{- end }}
      volumes:
        - name: tmp
          emptyDir: {}
        {{- with .configMap }}
        - name: config
          configMap: { name: {{ . }} }
        {{- end }}
      {{- with .root.Values.operator.nodeSelector }}
      nodeSelector: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .root.Values.operator.tolerations }}
      tolerations: {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end }}
