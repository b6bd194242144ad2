{{/* The version of Strimzi's objects that the cluster knows, newest first; nothing without Strimzi. */}}
{{- define "hopkeeper.strimziVersion" -}}
{{- if .Capabilities.APIVersions.Has "kafka.strimzi.io/v1/Kafka" -}}kafka.strimzi.io/v1
{{- else if .Capabilities.APIVersions.Has "kafka.strimzi.io/v1beta2/Kafka" -}}kafka.strimzi.io/v1beta2
{{- end -}}
{{- end -}}
