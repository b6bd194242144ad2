{{/* What a hook's objects say to helm: (dict "on" events "weight" …). */}}
{{- define "hopkeeper.hook" -}}
helm.sh/hook: {{ .on }}
helm.sh/hook-weight: {{ .weight | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{/* A Job that runs the operator's program once: (dict "root" $ "name" … "on" events "args" … "deadline" seconds). */}}
{{- define "hopkeeper.hookJob" }}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "hopkeeper.labels" .root | nindent 4 }}
  annotations:
    {{- include "hopkeeper.hook" (dict "on" .on "weight" -10) | nindent 4 }}
    helm.sh/hook-output-log-policy: hook-failed
spec:
  backoffLimit: 3
  activeDeadlineSeconds: {{ .deadline }}
  ttlSecondsAfterFinished: 600 # of one that failed, and that helm was not asked about again
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
        - name: hopkeeper
          image: {{ include "hopkeeper.image" (list .root "operator") }}
          imagePullPolicy: {{ .root.Values.images.pullPolicy }}
          command: [hopkeeper]
          args: {{- toYaml .args | nindent 12 }}
          securityContext: {{- include "hopkeeper.containerSecurity" .root | nindent 12 }}
          resources:
            requests: { cpu: 10m, memory: 32Mi }
            limits: { memory: 256Mi }
      {{- with .root.Values.operator.nodeSelector }}
      nodeSelector: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .root.Values.operator.tolerations }}
      tolerations: {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end }}
